"""`mesh.upgrade` and `clusters[].istio`: a second istiod beside the first one, and what has moved to it."""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from components.config.faults import Fault, Location, invalid
from components.config.model import Model
from components.config.support import DEFAULT_ISTIO, SUPPORTED, support_of
from components.config.values import DnsLabel

GUIDE = "docs/upgrade-istio.md"
"""The steps of an upgrade, for a person."""

DEFAULT_TAG = "default"
"""Revision tag of the namespaces that are labelled `istio-injection: enabled`, or with the tag itself."""

NEXT_TAG = "next"
"""Revision tag of the second istiod, for as long as there is one."""


def _version(value: str) -> str:
    if not re.fullmatch(r"\d+\.\d+\.\d+", value):
        raise invalid(
            f"`{value}` is not a full version",
            "Charts and images are found by the exact version",
            f"Write all three numbers, as in `{DEFAULT_ISTIO}`",
        )
    if support_of(value) is None:
        raise invalid(
            f"Istio {value} is not in the table of supported versions",
            "Its Kubernetes versions and charts are not known here",
            f"Take one of {', '.join(row.istio for row in SUPPORTED)}",
        )
    return value


IstioVersion = Annotated[str, AfterValidator(_version), Field(examples=[DEFAULT_ISTIO])]
"""Istio's version with all three numbers."""

Role = Literal["ingress", "eastWest"]
"""A gateway, as the stack file names it."""


class UpgradeConfig(Model):
    """An upgrade on its way: a second istiod beside the first one, and what has moved to it.

    Each step is one `pulumi up`, and is taken back by writing what was there before: docs/upgrade-istio.md.
    """

    version: IstioVersion
    """Of the second istiod: a minor above the first one's, or below it."""

    namespaces: Annotated[tuple[DnsLabel, ...], Field(examples=[["exam"]])] = ()
    """Namespaces of the stack's services that have moved to it, by the tag `next`; default: none. Their pods follow
    when they are made anew."""

    gateways: Annotated[tuple[Role, ...], Field(examples=[["eastWest", "ingress"]])] = ()
    """Gateways that have moved to it; default: none. Their pods are replaced, their Services and addresses stay."""

    default: bool = False
    """Whether the tag `default` has moved to it, and with it all namespaces that are not named, other teams' among
    them; default false."""


class ClusterIstioConfig(Model):
    """Where one cluster stands in an upgrade, apart from the others."""

    version: Annotated[str, AfterValidator(_version), Field(examples=[DEFAULT_ISTIO])] | None = None
    """Istio's version in this cluster; default: the mesh's."""

    upgrade: Annotated[UpgradeConfig, Field(examples=[{"version": DEFAULT_ISTIO}])] | None = None
    """Its upgrade on the way; default: none."""


def revision_of(version: str) -> str:
    """Revision of the control plane: `1-31` for 1.31.0, so that a patch changes it in place."""
    return "-".join(version.split(".")[:2])


def minor_of(version: str) -> str:
    """`1.31` of 1.31.0."""
    return version.rpartition(".")[0]


def minors_apart(one: str, other: str) -> int:
    """How many minors lie between two versions, those of another major infinitely many."""
    (major, minor), (other_major, other_minor) = (
        (int(number) for number in version.split(".")[:2]) for version in (one, other)
    )
    return abs(minor - other_minor) if major == other_major else 1_000


def step_faults(version: str, upgrade: UpgradeConfig | None, where: Location) -> Iterator[Fault]:
    """Faults of an upgrade from `version`; `where` is the upgrade's place."""
    if upgrade is None:
        return
    wanted = upgrade.version
    apart = minors_apart(version, wanted)
    if apart == 0:
        yield Fault(
            f"{wanted} is of the same minor as {version}",
            f"Both would be the revision `{revision_of(wanted)}`, one and the same istiod",
            f"Write {wanted} as `version`: a patch is changed in place",
            (*where, "version"),
        )
    elif apart > 1:
        yield Fault(
            f"{wanted} and {version} are more than one minor apart",
            "Nobody says that the proxies of one understand the istiod of the other, and both would be in the mesh",
            f"Go one minor after the other: first to {_between(version, wanted)}",
            (*where, "version"),
        )


def namespace_faults(upgrade: UpgradeConfig | None, known: Sequence[str], where: Location) -> Iterator[Fault]:
    """Faults of the namespaces that have moved; `known` are the stack's own."""
    for index, namespace in enumerate(upgrade.namespaces if upgrade is not None else ()):
        if namespace in known:
            continue
        near = difflib.get_close_matches(namespace, known, n=1, cutoff=0.6)
        yield Fault(
            f"the stack has no namespace `{namespace}` with services",
            "Nothing would be moved",
            f"Did you mean `{near[0]}`?"
            if near
            else f"Other teams' namespaces move by `default: true`, or by the label `istio.io/rev: {NEXT_TAG}` of "
            "their own",
            (*where, "namespaces", index),
        )


def _between(version: str, wanted: str) -> str:
    """The minors after `version` on the way to `wanted`, as a person says the first of them."""
    (major, minor), (_, other) = ((int(number) for number in each.split(".")[:2]) for each in (version, wanted))
    return f"{major}.{minor + (1 if other > minor else -1)}"
