"""Which versions go together, and until when: the one table of it.

Sources: istio.io/latest/docs/releases/supported-releases (Kubernetes ranges, ends of life) and, for 1.31, istioctl's
own minimum; for EKS docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html (end of standard support). A
date that is not yet published is None.
"""

from dataclasses import dataclass
from datetime import date, timedelta

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


@dataclass(frozen=True)
class EksSupport:
    """One Kubernetes minor of EKS, and the day on which its standard support ends: EKS then raises it by itself."""

    version: str
    end_of_support: date | None

    @property
    def minor(self) -> Minor:
        return kubernetes_minor(self.version)


EKS_SUPPORTED = (
    EksSupport("1.33", date(2026, 7, 29)),
    EksSupport("1.34", date(2026, 12, 2)),
    EksSupport("1.35", date(2027, 3, 27)),
    EksSupport("1.36", None),
)
"""Versions of EKS, oldest first."""

DEFAULT_EKS = "1.35"
"""What a cluster gets that names no version."""


WARN_BEFORE = timedelta(days=60)
"""How long before the end of an EKS version's support each run tells of it."""


def eks_support_of(version: str) -> EksSupport | None:
    """The row of a version such as `1.35`; None when there is no such row."""
    return next((row for row in EKS_SUPPORTED if row.version == version), None)


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
