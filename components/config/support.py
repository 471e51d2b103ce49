"""Which versions go together, and until when: the one table of it.

Sources: istio.io/latest/docs/releases/supported-releases (Kubernetes ranges, ends of life) and, for 1.31, istioctl's
own minimum. A date that is not yet published is None.
"""

from dataclasses import dataclass
from datetime import date

Minor = tuple[int, int]


@dataclass(frozen=True)
class Support:
    """One minor release of Istio and the Kubernetes minors (both ends included) that it is tested with."""

    istio: str
    kubernetes_min: Minor
    kubernetes_max: Minor
    end_of_life: date | None

    @property
    def kubernetes_range(self) -> str:
        """As a person says it: `1.32 to 1.36`."""
        return f"{minor_text(self.kubernetes_min)} to {minor_text(self.kubernetes_max)}"

    def takes(self, kubernetes: Minor) -> bool:
        return self.kubernetes_min <= kubernetes <= self.kubernetes_max


SUPPORTED = (
    Support("1.29", (1, 31), (1, 35), date(2026, 8, 31)),
    Support("1.30", (1, 32), (1, 36), None),
    Support("1.31", (1, 32), (1, 36), None),
)
"""Releases that this program knows how to install, oldest first."""

DEFAULT_ISTIO = "1.31.0"
"""What a stack gets that names no version: the release that the proofs run on."""


def support_of(istio_version: str) -> Support | None:
    """The row of a full version such as `1.31.0`; None when there is no such row."""
    minor = ".".join(istio_version.split(".")[:2])
    return next((row for row in SUPPORTED if row.istio == minor), None)


def kubernetes_minor(git_version: str) -> Minor:
    """(1, 35) of what an API server says of itself: `v1.35.4`, `v1.35.4-eks-abc`, `v1.35.4+k3s1`."""
    major, minor = git_version.removeprefix("v").split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdigit()))


def minor_text(minor: Minor) -> str:
    """`1.35` of (1, 35)."""
    return f"{minor[0]}.{minor[1]}"
