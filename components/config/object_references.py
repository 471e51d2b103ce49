"""Faults between the stack's own objects and all else that it says."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from components.config.faults import Fault, Location
from components.config.names import CLUSTER_DOMAIN, host_covers, same_labels
from components.config.objects import ObjectConfig
from components.config.plain import as_dict, as_list, found_at

INGRESS_LABELS: Mapping[str, str] = {"app": "istio-ingress", "istio": "ingress"}
"""Of the ingress's pods (gateway chart: from the name of its release)."""

INGRESS_PORTS = (80, 443)
"""At which the ingress serves its hosts."""


@dataclass(frozen=True)
class Said:
    """What a stack says without objects, and they cannot say again."""

    hosts: Mapping[str, str]
    """Names that it says how to route (services', public ones), each with the place of that, as in
    `services["exam/exam-service"]`."""

    versions: Mapping[str, Collection[str]]
    """Versions of each service, by its host in the clusters."""

    ingress: Mapping[str, str]
    """Hosts that the ingress serves, each with the place of that, as in `gateways.ingress.servers[0]`."""


def objects_faults(
    objects: Sequence[tuple[int, ObjectConfig]],
    *,
    clusters: Collection[str],
    said: Said,
    remotes: Mapping[str, str],
) -> Iterator[Fault]:
    """Faults between objects, each given with its index in the file, and the rest of the stack.

    `clusters` are the stack's; `remotes` have their primaries by name.
    """
    seen: dict[tuple[str, str, str], int] = {}
    for index, entry in objects:
        key = (entry.kind, entry.namespace, entry.name)
        if key in seen:
            yield Fault(
                f"{entry.kind} `{entry.namespace}/{entry.name}` is objects[{seen[key]}] already",
                "Both would be the same object",
                "Give it another name, or take one out",
                (index, "name"),
            )
        seen.setdefault(key, index)
        for position, cluster in enumerate(entry.clusters or ()):
            if cluster not in clusters:
                yield Fault(
                    f"there is no cluster `{cluster}`",
                    "It would be nowhere",
                    f"Known here: {', '.join(f'`{name}`' for name in clusters)}",
                    (index, "clusters", position),
                )
        yield from (fault.under((index, "clusters")) for fault in _half_a_control_plane(entry.clusters, remotes))
        for host, place in _hosts(entry):
            owner = said.hosts.get(_full(host, entry.namespace))
            if owner is not None:
                yield Fault(
                    f"`{host}` is said in `{owner}`, which makes its {entry.kind}",
                    "Of two for one host Istio takes parts of one and drops the other",
                    f"Say it in `{owner}`",
                    (index, "spec", *place),
                )
        if entry.kind == "VirtualService":
            yield from (fault.under((index, "spec")) for fault in _unknown_versions(entry, said.versions))
        if entry.kind == "Gateway":
            yield from (fault.under((index, "spec")) for fault in _served_twice(entry, said.ingress))


def _half_a_control_plane(clusters: Sequence[str] | None, remotes: Mapping[str, str]) -> Iterator[Fault]:
    """An istiod reads its own cluster's objects for all that it serves: they hold there all, or nowhere."""
    if clusters is None:
        return
    for remote, primary in remotes.items():
        named, other = (remote, primary) if remote in clusters else (primary, remote)
        if named in clusters and other not in clusters:
            yield Fault(
                f"`{named}` is named without `{other}`",
                f"The istiod of `{primary}` serves both, and the object would hold in both",
                "Name both of them, and choose the pods by the object's own selector",
            )


def _hosts(entry: ObjectConfig) -> Iterator[tuple[str, Location]]:
    if entry.kind == "DestinationRule":
        host = entry.spec.get("host")
        if isinstance(host, str):
            yield host, ("host",)
    if entry.kind == "VirtualService":
        for index, host in enumerate(as_list(entry.spec.get("hosts"))):
            if isinstance(host, str):
                yield host, ("hosts", index)


def _full(host: str, namespace: str) -> str:
    """As Istio completes it: a name without a dot is one of the object's own namespace, any other is whole."""
    return host if "." in host else f"{host}.{namespace}.svc.{CLUSTER_DOMAIN}"


def _unknown_versions(entry: ObjectConfig, versions: Mapping[str, Collection[str]]) -> Iterator[Fault]:
    for destination, place in _destinations(entry):
        host, subset = destination.get("host"), destination.get("subset")
        if not isinstance(host, str) or not isinstance(subset, str):
            continue
        known = versions.get(_full(host, entry.namespace))
        if known is not None and subset not in known:
            names = f"Known there: {', '.join(f'`{name}`' for name in known)}" if known else "It has none"
            yield Fault(
                f"`{host}` has no version `{subset}`",
                "Every request that goes there would be answered 503",
                f"{names}; add it to the service's `versions`, or name another one",
                (*place, "subset"),
            )


def _destinations(entry: ObjectConfig) -> Iterator[tuple[Mapping[str, object], Location]]:
    """Everything that a VirtualService sends requests, connections or copies of requests to."""
    for protocol in ("http", "tcp", "tls"):
        for index, item in enumerate(as_list(entry.spec.get(protocol))):
            route = as_dict(item)
            # The older word for one mirror is the destination itself.
            yield as_dict(route.get("mirror")), (protocol, index, "mirror")
            for key in ("route", "mirrors"):
                for position, target in enumerate(as_list(route.get(key))):
                    yield as_dict(as_dict(target).get("destination")), (protocol, index, key, position, "destination")


def _served_twice(entry: ObjectConfig, ingress: Mapping[str, str]) -> Iterator[Fault]:
    selector = {key: str(value) for key, value in as_dict(entry.spec.get("selector")).items()}
    if not same_labels(INGRESS_LABELS, selector):
        # Of other pods: a gateway of its own may serve the same names, to other clients.
        return
    for index, item in enumerate(as_list(entry.spec.get("servers"))):
        server = as_dict(item)
        if found_at(server, "port", "number") not in INGRESS_PORTS:
            continue
        for position, host in enumerate(as_list(server.get("hosts"))):
            # `namespace/host` says which routes it takes, not whose requests.
            name = str(host).rpartition("/")[2]
            owner = next((place for served, place in ingress.items() if host_covers(served, name)), None)
            if owner is not None:
                yield Fault(
                    f"the ingress serves `{name}` already, by `{owner}`",
                    "Its requests would be answered by one of the two, with the certificate and the routes of that one",
                    "Take the host out here, or there; pods of another gateway are chosen by a `selector` of their own",
                    ("servers", index, "hosts", position),
                )
