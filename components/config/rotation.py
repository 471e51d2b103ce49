"""The rotation of the root: its phases, and what is trusted and who signs in each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from components.config.faults import Fault

if TYPE_CHECKING:
    # The models of trust have a phase in them.
    from components.config.trust import ProvidedRoot, TrustConfig

Phase = Literal["trust-both", "sign-new", "drop-old"]
"""The phases of a rotation, in their order; each is one `pulumi up`, and so is the way back from it."""

NONE = ""
"""The phase of a root that is not rotated."""

_PRESENT, _NEXT = 0, 1


@dataclass(frozen=True)
class Stage:
    """What holds in a phase, in places of `TrustConfig.roots`: 0 is the present root, 1 the next one."""

    trusts: tuple[int, ...]
    """The roots that workloads trust, in order: the next one is appended, as Istio up to 1.30 requires."""

    signs: int
    """The root below which intermediates sign."""


STAGES: dict[str, Stage] = {
    NONE: Stage((_PRESENT,), _PRESENT),
    "trust-both": Stage((_PRESENT, _NEXT), _PRESENT),
    "sign-new": Stage((_PRESENT, _NEXT), _NEXT),
    "drop-old": Stage((_NEXT,), _NEXT),
}
"""By phase. Two neighbours differ in what is trusted or in who signs, never in both: that is why no request fails.

The last one is the same as no rotation with the next root as the present one.
"""


def rotation_faults(trust: "TrustConfig") -> Iterator[Fault]:
    """Faults between the present root and the next one; `where` is relative to `trust`."""
    if trust.rotation is None:
        return
    following, where = trust.rotation.next, ("rotation", "next")
    if following is None:
        if trust.root.generated is None:
            yield Fault(
                "there is no next root",
                "Only a root that the stack makes has a next one by itself",
                "Write the next root here as it will stand in `trust.root` afterwards",
                where,
            )
        return
    if following.generated is not None and trust.root.generated is not None:
        before, after = trust.root.generated.generation, following.generated.generation
        if after <= before:
            yield Fault(
                f"generation {after} is not above {before}, the present root's",
                "Both would be one root, and nothing would be rotated",
                f"Write {before + 1}, or leave `next` out",
                (*where, "generated", "generation"),
            )
    if following.provided is not None and trust.root.provided is not None:
        yield from (fault.under(where) for fault in _provided_faults(trust.root.provided, following.provided))


def _provided_faults(present: "ProvidedRoot", following: "ProvidedRoot") -> Iterator[Fault]:
    where = ("provided", "certificate")
    if present.certificate.parsed == following.certificate.parsed:
        yield Fault(
            "this is the present root", "Nothing would be rotated", "Give the certificate of another root", where
        )
    elif present.certificate.parsed.subject == following.certificate.parsed.subject:
        yield Fault(
            "it has the name of the present root",
            "Whoever verifies a chain looks for its root by name, and may try the other one's key",
            "Make a root with a name of its own, as in `CN=Root CA 2`",
            where,
        )
