"""Which istiods a cluster has, and when one may go: not while it configures a proxy, or a namespace asks for it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from components.clusters.api import Connection, listed
from components.clusters.pods import has_proxy
from components.config.upgrade import DEFAULT_TAG, GUIDE, NEXT_TAG, revision_of

WHERE = "istio-mesh:mesh.upgrade"
"""What in a stack file decides it."""

SHOWN = 5
"""Pods or namespaces that a refusal names; the rest it counts."""

_ENDED = ("Succeeded", "Failed")


def jump(cluster: str, before: Sequence[str], wanted: Sequence[str]) -> str | None:
    """Why these versions of Istio cannot follow those that are there; None where they can.

    One istiod at least has to stay: to put another minor in the place of the only one would fail half-way, with
    webhooks that lead to the one that is gone.
    """
    if not before or {revision_of(version) for version in before} & {revision_of(version) for version in wanted}:
        return None
    there, asked = " and ".join(before), " and ".join(wanted)
    first = before[0]
    return (
        f"{WHERE}: cluster `{cluster}` has Istio {there}, and the stack says {asked}, another minor, in its place. All "
        f"of its proxies would be cut off at once. Write `version: {first}` and `upgrade: {{version: {wanted[0]}}}`, "
        f"which puts a second istiod beside the first, and move to it step by step: see {GUIDE}."
    )


def leaving(before: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The revisions that are there and not wanted."""
    kept = {revision_of(version) for version in wanted}
    return list(dict.fromkeys(revision for version in before if (revision := revision_of(version)) not in kept))


def still_used(
    cluster: str, connection: Connection, before: Sequence[str], wanted: Sequence[str], own: Sequence[str]
) -> str | None:
    """Why a revision cannot go yet, as the cluster's pods and namespaces say; None where it can.

    Args:
        cluster: Its name.
        connection: To its API server. It may raise Unreachable.
        before: Versions of the istiods that are there.
        wanted: Those that are to be there.
        own: Namespaces whose labels the stack changes in the same run.
    """
    going = leaving(before, wanted)
    if not going:
        return None
    gone = " and ".join(f"`{revision}`" for revision in going)
    pods = sorted(proxies_of(listed(connection, "/api/v1/pods"), going))
    if pods:
        first = pods[0].partition("/")[0]
        there = {pod.partition("/")[0] for pod in pods}
        outvoted = sorted(held_back(listed(connection, "/api/v1/namespaces"), there))
        return (
            f"{WHERE}: revision {gone} of cluster `{cluster}` still has {_counted(len(pods), 'proxy', 'proxies')}: "
            f"{_named(pods)}. Without its istiod they hear of no change any more, and lose their certificates when "
            f"those end. Move their namespaces and gateways away from it; where that is done, make the pods anew "
            f"(`kubectl rollout restart deployment -n {first}`), and run again: see {GUIDE}.{_outvoted(outvoted)}"
        )
    tags = [NEXT_TAG] if len(wanted) == 1 else []
    asking = sorted(namespaces_of(listed(connection, "/api/v1/namespaces"), [*going, *tags], own))
    if asking:
        names = _named([f"{name} (`istio.io/rev: {label}`)" for name, label in asking])
        return (
            f"{WHERE}: {_counted(len(asking), 'namespace asks', 'namespaces ask')} for an istiod of cluster "
            f"`{cluster}` that would be gone: {names}. New pods there would start without a proxy, and nobody in the "
            f"mesh takes their requests. Label them `istio.io/rev: {DEFAULT_TAG}`, and run again: see {GUIDE}."
        )
    return None


def proxies_of(pods: Iterable[Mapping[str, Any]], revisions: Sequence[str]) -> Iterator[str]:
    """The pods, as `namespace/name`, whose proxy an istiod of these revisions configures; not those that are going.

    Injection notes the revision in an annotation, whatever tag or label it was asked by.
    """
    for pod in pods:
        metadata = pod["metadata"]
        if (
            metadata.get("annotations", {}).get("istio.io/rev") in revisions
            and has_proxy(pod)
            and "deletionTimestamp" not in metadata
            and pod.get("status", {}).get("phase") not in _ENDED
        ):
            yield f"{metadata['namespace']}/{metadata['name']}"


def held_back(namespaces: Iterable[Mapping[str, Any]], names: Collection[str]) -> Iterator[str]:
    """Those of these namespaces that ask for a revision or tag in vain: `istio-injection` wins over it."""
    for namespace in namespaces:
        metadata = namespace["metadata"]
        if metadata["name"] in names and {"istio-injection", "istio.io/rev"} <= metadata.get("labels", {}).keys():
            yield metadata["name"]


def namespaces_of(
    namespaces: Iterable[Mapping[str, Any]], labels: Sequence[str], own: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """The namespaces that ask for one of these revisions or tags, each with its label; not the stack's own."""
    for namespace in namespaces:
        metadata = namespace["metadata"]
        said = metadata.get("labels", {})
        asked = said.get("istio.io/rev")
        # `istio-injection` wins over the revision.
        if asked in labels and "istio-injection" not in said and metadata["name"] not in own:
            yield metadata["name"], asked


def _outvoted(names: Sequence[str]) -> str:
    if not names:
        return ""
    return (
        f" Somebody else has set `istio-injection` on {_named(names)}, which wins over `istio.io/rev`: take it away "
        f"first (`kubectl label namespace {names[0]} istio-injection-`)."
    )


def _counted(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _named(found: Sequence[str]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{', '.join(found[:SHOWN])}{more}"
