"""Faults between values of a stack: services that name each other, regions, hosts of the ingress."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from components.config import defaults
from components.config.egress import ExternalConfig
from components.config.faults import Fault, Location
from components.config.gateways import GatewaysConfig
from components.config.names import host_covers, split
from components.config.services import ServiceConfig
from components.config.values import Duration

ISTIO_NAMESPACES = frozenset({"istio-system", "istio-ingress"})
"""Namespaces of the mesh itself."""


@dataclass(frozen=True)
class Known:
    """What there is to be named: names as written, those of entries with a fault among them."""

    services: Collection[str]
    clusters: Collection[str]
    regions: Mapping[str, str]
    """Region of each cluster that has no fault."""


def service_faults(services: Mapping[str, ServiceConfig], known: Known) -> Iterator[Fault]:
    """Faults between services, and between services and clusters; relative to `istio-mesh:services`."""
    for name, service in services.items():
        for fault in _own_faults(name, service, services, known):
            yield fault.under((name,))
    yield from _same_pods(services)
    yield from _same_paths(services)


def _own_faults(
    name: str, service: ServiceConfig, services: Mapping[str, ServiceConfig], known: Known
) -> Iterator[Fault]:
    namespace = split(name)[0]
    if namespace in ISTIO_NAMESPACES or namespace.startswith("kube-"):
        yield Fault(
            f"the namespace `{namespace}` is {'the mesh' if namespace in ISTIO_NAMESPACES else 'Kubernetes'}'s own",
            "Default deny and injection would take its own pods out of service",
            "Put the service into a namespace of its team",
        )
    for index, region in enumerate(service.regions or ()):
        yield from _cluster(region, known, ("regions", index))
    for index, caller in enumerate(service.callers):
        yield from _service(caller, known, ("callers", index), "Nobody has the identity that would be let in")
    yield from _other_teams(service, {split(key)[0] for key in services})
    yield from _ways_to_regions(service, known)
    for index, route in enumerate(service.routes):
        if route.mirror is not None:
            yield from _mirror(name, service, route.mirror.to, services, known, ("routes", index, "mirror", "to"))


def _other_teams(service: ServiceConfig, namespaces: Collection[str]) -> Iterator[Fault]:
    """Namespaces said to be other teams' that are this stack's."""
    for key, listed, cure in (
        ("offeredTo", service.offered_to, "Name the services that call it in its `callers`"),
        ("callsOut", service.calls_out, "Name it in the `callers` of those that it calls"),
    ):
        for index, namespace in enumerate(listed):
            if namespace in namespaces:
                yield Fault(
                    f"`{namespace}` is a namespace of this stack",
                    "Whatever runs there would come by what one service needs",
                    cure,
                    (key, index),
                )


def _ways_to_regions(service: ServiceConfig, known: Known) -> Iterator[Fault]:
    for source, target in (service.failover or {}).items():
        place = ("failover", source)
        wrong = [*_cluster(source, known, place), *_cluster(target, known, place)]
        yield from wrong
        if wrong or source == target:
            continue
        if not service.runs_in(target):
            yield Fault(
                f"the service does not run in {target}",
                f"When {source} fails, its requests would find nothing there either",
                "Name one of its regions",
                place,
            )
        elif known.regions.get(source, source) == known.regions.get(target, target):
            yield Fault(
                f"{source} and {target} are both in {known.regions[source]}",
                "Istio knows regions, and a region is no other one than itself",
                "Name a cluster of another region",
                place,
            )
    for source, shares in (service.distribute or {}).items():
        yield from _cluster(source, known, ("distribute", source))
        regions: dict[str, str] = {}
        for target in shares:
            place = ("distribute", source, target)
            wrong = list(_cluster(target, known, place))
            yield from wrong
            if wrong:
                continue
            if shares[target] and not service.runs_in(target):
                yield Fault(
                    f"the service does not run in {target}",
                    "Its share would go to the other regions",
                    "Name its regions alone",
                    place,
                )
            region = known.regions.get(target, target)
            if region in regions:
                yield Fault(
                    f"{regions[region]} and {target} are both in {region}",
                    "Istio knows regions: one of the two shares would be lost",
                    "Give the region's share to one of them",
                    place,
                )
            regions.setdefault(region, target)


def _mirror(
    name: str,
    service: ServiceConfig,
    to: str,
    services: Mapping[str, ServiceConfig],
    known: Known,
    place: Location,
) -> Iterator[Fault]:
    if to == name:
        yield Fault(
            "it is the service itself",
            "It would get each request twice",
            "Name the service that gets the copies",
            place,
        )
        return
    missing = list(_service(to, known, place, "The copies would go nowhere"))
    yield from missing
    if missing or to not in services:
        return
    theirs = set(services[to].http_ports.values())
    for port in sorted(set(service.http_ports.values()) - theirs):
        yield Fault(
            f"`{to}` has no HTTP port {port}",
            "Copies of requests to this port would go nowhere",
            "Give it the same HTTP ports, or mirror to another service",
            place,
        )


def _same_pods(services: Mapping[str, ServiceConfig]) -> Iterator[Fault]:
    by_namespace: dict[str, list[tuple[str, frozenset[tuple[str, str]]]]] = {}
    for name, service in services.items():
        namespace, own = split(name)
        pods = frozenset((service.workload or {"app": own}).items())
        for other, theirs in by_namespace.setdefault(namespace, []):
            if pods <= theirs or theirs <= pods:
                yield Fault(
                    f"its labels select pods of `{other}` too",
                    "Istio applies one of the two scopes to such a pod, and the rules of both",
                    "Give each service labels of its own in `workload`",
                    (name, "workload"),
                )
                break
        by_namespace[namespace].append((name, pods))


def _same_paths(services: Mapping[str, ServiceConfig]) -> Iterator[Fault]:
    seen: dict[tuple[str, str], str] = {}
    for name, service in services.items():
        for index, public in enumerate(service.hosts):
            for position, path in enumerate(public.paths):
                other = seen.setdefault((public.host, path), name)
                if other != name:
                    yield Fault(
                        f"`{path}` of `{public.host}` is that of `{other}` already"
                        if path != "/*"
                        else f"`{public.host}` is the host of `{other}` already",
                        "Istio would send its requests to one of the two",
                        "Name the paths of each in `paths`, or keep the host in one of them",
                        (name, "hosts", index, *(("paths", position) if "paths" in public.model_fields_set else ())),
                    )


def host_faults(services: Mapping[str, ServiceConfig], gateways: GatewaysConfig) -> Iterator[Fault]:
    """Hosts of services that the ingress does not serve; relative to `istio-mesh:services`."""
    served = {host: server for server in gateways.ingress.servers for host in server.hosts}
    for name, service in services.items():
        for index, public in enumerate(service.hosts):
            server = next((server for host, server in served.items() if host_covers(host, public.host)), None)
            if server is None:
                yield Fault(
                    f"the ingress does not serve `{public.host}`",
                    "No request for it would ever reach the service",
                    "Add it to a server of `istio-mesh:gateways.ingress`, with its certificate",
                    (name, "hosts", index),
                )
            elif server.offered_to is not None:
                yield Fault(
                    f"the ingress offers `{public.host}` to {' and '.join(server.offered_to)}",
                    "Two teams would route one host, and Istio take one of the routes",
                    "Take `offeredTo` out of the server, or the host out of the service",
                    (name, "hosts", index),
                )


def unserved_faults(services: Mapping[str, ServiceConfig], gateways: GatewaysConfig) -> Iterator[Fault]:
    """Hosts of the ingress that no service takes; relative to `istio-mesh:gateways`.

    A stack without services leaves all of its hosts to other programs.
    """
    if not services:
        return
    namespaces = {split(name)[0] for name in services}
    taken = [public.host for service in services.values() for public in service.hosts]
    for index, server in enumerate(gateways.ingress.servers):
        here: Location = ("ingress", "servers", index)
        for position, namespace in enumerate(server.offered_to or ()):
            if namespace in namespaces:
                yield Fault(
                    f"`{namespace}` is a namespace of this stack",
                    "Its services say their hosts themselves, and two routes for one host would be mixed",
                    "Give the host to the service, in its `hosts`",
                    (*here, "offeredTo", position),
                )
        for position, host in enumerate(server.hosts):
            if server.offered_to is None and not any(host_covers(host, name) for name in taken):
                yield Fault(
                    f"no service has `{host}` among its hosts",
                    "Every request for it would be answered 404",
                    "Add it to the `hosts` of a service, or name in `offeredTo` the namespaces that route it",
                    (*here, "hosts", position),
                )


def drain_faults(services: Mapping[str, ServiceConfig], gateways: GatewaysConfig) -> Iterator[Fault]:
    """Connections to other regions that outlive a gateway's pod; relative to the stack."""
    drain = gateways.drain
    around = drain.open_for.seconds + defaults.LAST_ANSWER.seconds
    lives = {
        (name, *place): settings.pool.max_connection_duration
        for name, service in services.items()
        for place, settings in service.settings()
    }
    usual = any(service.traffic.pool.max_connection_duration is None for service in services.values())
    if usual and around + defaults.CONNECTION_LIFE.seconds > drain.at_most.seconds:
        yield Fault(
            f"{drain.at_most} is less than the {drain.open_for} for which a pod takes new connections, the life of one "
            f"({defaults.CONNECTION_LIFE}), and {defaults.LAST_ANSWER} for its last answer",
            _LOST,
            f"Write at least `{Duration(around + defaults.CONNECTION_LIFE.seconds)}`",
            ("gateways", "drain", "atMost"),
        )
    for place, life in lives.items():
        if life is not None and around + life.seconds > drain.at_most.seconds:
            yield Fault(
                f"with {life}, {defaults.LAST_ANSWER} for its last answer, and the {drain.open_for} for which a "
                f"gateway's pod takes new connections, a connection outlives the pod's {drain.at_most}",
                _LOST,
                f"Shorten it, or write at least `{Duration(around + life.seconds)}` for `atMost` of "
                "`istio-mesh:gateways.drain`",
                ("services", *place, "pool", "maxConnectionDuration"),
            )


_LOST = "Callers in other regions would lose requests with each pod of a gateway that is replaced"


def egress_references(external: Mapping[str, ExternalConfig], known: Known) -> Iterator[Fault]:
    """Callers of external services that are none; relative to `istio-mesh:egress`."""
    for name, config in external.items():
        for index, caller in enumerate(config.callers):
            yield from (
                fault.under((name,))
                for fault in _service(caller, known, ("callers", index), "Nobody could call the service by it")
            )


def _service(name: str, known: Known, place: Location, consequence: str) -> Iterator[Fault]:
    if name not in known.services:
        yield Fault(f"there is no service `{name}`", consequence, _cure(name, known.services, "services"), place)


def _cluster(name: str, known: Known, place: Location) -> Iterator[Fault]:
    if name not in known.clusters:
        yield Fault(
            f"there is no cluster `{name}`",
            "Nothing runs there, and nothing would be called from there",
            _cure(name, known.clusters, "clusters"),
            place,
        )


def _cure(name: str, known: Collection[str], key: str) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"Did you mean `{near[0]}`?" if near else f"Name one of `istio-mesh:{key}`"
