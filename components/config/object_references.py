"""Faults between the stack's own objects and all else that it says."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from components.config.faults import Fault, Location
from components.config.names import full_host, host_covers, same_labels
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
    earlier: dict[tuple[str, str], list[tuple[int, ObjectConfig]]] = {}
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
            whole = full_host(host, entry.namespace)
            others = earlier.setdefault((entry.kind, whole), [])
            if owner := said.hosts.get(whole):
                yield Fault(
                    f"`{host}` is said in `{owner}`, which makes its {entry.kind}",
                    _PARTS_OF_ONE,
                    f"Say it in `{owner}`",
                    (index, "spec", *place),
                )
            elif twins := [other for other, before in others if _same_proxies(before, entry)]:
                yield Fault(
                    f"`{host}` is said in objects[{twins[0]}], another {entry.kind}",
                    _OF_TWO[entry.kind],
                    "Say it in one of them",
                    (index, "spec", *place),
                )
            others.append((index, entry))
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


_PARTS_OF_ONE = "Of two for one host Istio takes parts of one and drops the other"
_OF_TWO: Mapping[str, str] = {
    "DestinationRule": _PARTS_OF_ONE,
    "VirtualService": "Of two for one host Istio takes the older one in pods and drops the other",
}


def _same_proxies(one: ObjectConfig, other: ObjectConfig) -> bool:
    """Whether two objects of one kind for one host reach the same proxies, where one of them has to give way.

    What Istio puts together is left alone: the routes of a gateway, and subsets beside the policy of a host
    (istio pilot/pkg/model/gateway.go, destination_rule.go).
    """
    if one.clusters is not None and other.clusters is not None and not set(one.clusters) & set(other.clusters):
        return False
    given, others = _exported(one), _exported(other)
    if not (given and others) or ("*" not in given | others and not given & others):
        return False
    if one.kind == "VirtualService":
        return "mesh" in _gateways(one) & _gateways(other)
    # Of two in several namespaces the one in the caller's own counts, then the one in the host's.
    if one.namespace != other.namespace:
        return False
    if as_dict(one.spec.get("workloadSelector")) != as_dict(other.spec.get("workloadSelector")):
        return False
    return all("trafficPolicy" in entry.spec for entry in (one, other)) or bool(_subsets(one) & _subsets(other))


def _exported(entry: ObjectConfig) -> set[str]:
    """The namespaces that see it; `*` is all of them, and nothing none."""
    given = [str(name) for name in as_list(entry.spec.get("exportTo"))] or ["*"]
    return {entry.namespace if name == "." else name for name in given if name != "~"}


def _subsets(entry: ObjectConfig) -> set[str]:
    return {str(as_dict(each).get("name")) for each in as_list(entry.spec.get("subsets"))}


def _gateways(entry: ObjectConfig) -> set[str]:
    """What a VirtualService holds at: gateways by their whole names, and `mesh`, the proxies of pods."""
    given = [str(name) for name in as_list(entry.spec.get("gateways"))] or ["mesh"]
    return {name if name == "mesh" or "/" in name else f"{entry.namespace}/{name}" for name in given}


def _unknown_versions(entry: ObjectConfig, versions: Mapping[str, Collection[str]]) -> Iterator[Fault]:
    for destination, place in _destinations(entry):
        host, subset = destination.get("host"), destination.get("subset")
        if not isinstance(host, str) or not isinstance(subset, str):
            continue
        known = versions.get(full_host(host, entry.namespace))
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
