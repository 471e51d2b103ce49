"""The course of loads as evidence: how many answers a second came from whom, and when requests failed."""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.lab.support.traffic import Load

MOST = 120  # points of a chart: what the evidence file keeps of a load is bounded by it
WIDTHS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)  # seconds of a point: the least of these by which no more are needed
BUCKET = 0.1  # seconds of one bucket of a load's series

Marks = Iterable[tuple[datetime.datetime, str]]


def timeline(title: str, loads: Sequence[Load], marks: Marks = ()) -> dict[str, Any]:
    """All loads on one axis of time, from the begin of the first.

    Answers are a rate, in answers a second; None where no load was sent for most of a point, which is no failure.
    Failed requests are counted, each of them.

    :param loads: each with its series; they may overlap or follow each other.
    :param marks: what happened meanwhile.
    :returns: ``title``, ``step_s``, ``regions`` and ``versions`` (name to rates), ``failed`` and ``marks``.
    :raises ValueError: when a load has no series.
    """
    if not all(load.summary.get("series") for load in loads):
        raise ValueError(f"{title}: a load was sent without --series, its course is not known")
    origin = min(load.started for load in loads)
    length = max((load.started - origin).total_seconds() + len(load.summary["series"]) * BUCKET for load in loads)
    step = next((width for width in WIDTHS if length / width <= MOST), WIDTHS[-1])
    points = min(math.ceil(length / step), MOST)
    failed = [0] * points
    sent = [False] * points
    rates: dict[str, dict[str, list[float]]] = {"regions": {}, "versions": {}}
    for load in loads:
        for i, point in enumerate(_points(load, origin, step, points)):
            failed[i] += point.failed
            if point.covered < step / 2:
                continue
            sent[i] = True
            for kind, counts in (("regions", point.regions), ("versions", point.versions)):
                for name, count in counts.items():
                    rates[kind].setdefault(name, [0.0] * points)[i] += count / point.covered
    return {
        "title": title,
        "step_s": step,
        **{
            kind: {
                name: [round(rate, 1) if is_sent else None for rate, is_sent in zip(row, sent, strict=True)]
                for name, row in sorted(by_name.items())
            }
            for kind, by_name in rates.items()
        },
        "failed": failed,
        "marks": [
            {"at_s": round((moment - origin).total_seconds(), 1), "what": what}
            for moment, what in sorted(marks, key=lambda mark: mark[0])
        ],
    }


@dataclass
class _Point:
    """What one load came to within one point of a chart; ``covered``: the seconds of it that were sent."""

    covered: float = 0.0
    failed: int = 0
    regions: Counter[str] = field(default_factory=Counter[str])
    versions: Counter[str] = field(default_factory=Counter[str])


def _points(load: Load, origin: datetime.datetime, step: float, points: int) -> list[_Point]:
    found = [_Point() for _ in range(points)]
    offset = (load.started - origin).total_seconds()
    for bucket in load.summary["series"]:
        point = found[min(int((offset + bucket["t_ms"] / 1000) / step), points - 1)]
        point.covered += BUCKET
        point.failed += int(bucket["failed"])
        point.regions.update(bucket.get("regions", {}))
        point.versions.update(bucket.get("versions", {}))
    return found
