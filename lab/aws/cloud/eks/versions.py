"""Versions of Kubernetes on EKS (EKS user guide, kubernetes-versions.html): ends of standard and of extended
support."""

from __future__ import annotations

import datetime

VERSIONS: dict[str, tuple[datetime.date | None, datetime.date | None]] = {
    "1.31": (datetime.date(2025, 11, 26), datetime.date(2026, 11, 26)),
    "1.32": (datetime.date(2026, 3, 23), datetime.date(2027, 3, 23)),
    "1.33": (datetime.date(2026, 7, 29), datetime.date(2027, 7, 29)),
    "1.34": (datetime.date(2026, 12, 2), datetime.date(2027, 12, 2)),
    "1.35": (datetime.date(2027, 3, 27), datetime.date(2028, 3, 27)),
    "1.36": (None, None),
}
"""By version, oldest first; None where a date is not published yet."""

NEWEST = list(VERSIONS)[-1]


def minor(version: str) -> int:
    """35 of `1.35`."""
    return int(version.split(".")[1])


def in_extended_support(version: str, today: datetime.date) -> bool:
    """Whether its standard support has ended."""
    standard, _ = VERSIONS[version]
    return standard is not None and today > standard


def offered(version: str, today: datetime.date) -> bool:
    """Whether a cluster of it can be made."""
    _, extended = VERSIONS.get(version, (None, datetime.date.min))
    return extended is None or today <= extended
