"""Which requests go where: one VirtualService for each service within the mesh, one for each public host."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.clusters.cluster import Cluster
from components.config import defaults
from components.config.mesh import MeshConfig
from components.config.names import host_of, path_meet
from components.config.platform import Platform, Service
from components.config.routes import EVERYTHING, MatchConfig, RetriesConfig, RouteConfig, match_of, other_of
from components.config.values import Duration, ShortDuration
from components.mesh.gateways import INGRESS_NAMESPACE
from components.naming import common_labels, public_route, type_token
from components.resources.objects import IstioObject, Spec, create

INGRESS_GATEWAY = "ingress"
"""Name of the Gateway of the public hosts, in the ingress's namespace."""


class Routing(pulumi.ComponentResource):
    """The routes of all services that run in one cluster or are called from there."""

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        mesh: MeshConfig,
        cluster: Cluster,
        namespaces: Mapping[str, kubernetes.core.v1.Namespace],
        rules: Mapping[str, pulumi.Resource],
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`rules`: the DestinationRules by `namespace/name`: a version is known before a request is sent to it.

        `depends_on`: istiod, and the ingress, in whose namespace public hosts have their routes.
        """
        super().__init__(type_token("resources", "Routing"), name, None, opts)
        for found, services in routing_objects(platform, cluster.name):
            create(
                self,
                name,
                [found],
                labels=common_labels("routing", mesh_id=mesh.id),
                cluster=cluster,
                depends_on=[*depends_on, *(rules[service] for service in services)],
                namespaces=namespaces,
            )
        self.register_outputs({})


def routing_objects(platform: Platform, cluster: str) -> list[tuple[IstioObject, list[str]]]:
    """Every VirtualService of the cluster of that name, with the services that it sends requests to."""
    within = [
        (IstioObject("VirtualService", service.namespace, service.name, mesh_spec(service)), [service.key])
        for service in platform.present(cluster)
        if service.config.http_ports or (service.config.tcp_ports and default_split(service))
    ]
    owners: dict[str, dict[str, None]] = {}
    for key, service in platform.services.items():
        for place in service.config.hosts:
            owners.setdefault(place.host, {})[key] = None
    public = [
        (IstioObject("VirtualService", INGRESS_NAMESPACE, public_route(host), spec), list(owners[host]))
        for host, spec in public_specs(platform).items()
    ]
    return [*within, *public]


def mesh_spec(service: Service) -> Spec:
    """The VirtualService of a service for its callers in the mesh."""
    config = service.config
    numbers = sorted(config.http_ports.values())
    routes: list[Spec] = []
    for number in numbers:
        # A service of several ports needs the port at each destination, or istioctl refuses to guess (IST0112).
        target = number if len(config.ports) > 1 else None
        condition = number if len(numbers) > 1 else None
        routes += [_http(service, entry, target, port=condition) for entry in entries(service)]
    spec: Spec = {"hosts": [service.host], **({"http": routes} if routes else {})}
    split = default_split(service)
    streams = sorted(config.tcp_ports.values())
    if split and streams:
        # Connections have nothing to match, and go as the requests of nobody in particular do.
        spec["tcp"] = [
            {"match": [{"port": number}], "route": _destinations(service, split, number)} for number in streams
        ]
    return spec


def public_specs(platform: Platform) -> dict[str, Spec]:
    """The VirtualServices of all public hosts, by host; of two paths the narrower one comes first."""
    places: dict[str, list[tuple[tuple[int, bool], str, Service, int]]] = {}
    for service in platform.services.values():
        for public in service.config.hosts:
            number = service.config.public_port(public)
            assert number is not None, "the model has seen to it"
            for path in public.paths:
                base = path.removesuffix("/*")
                # Longer ones first, and one path before all below it.
                places.setdefault(public.host, []).append(((-len(base), base != path), path, service, number))
    return {
        host: {
            "hosts": [host],
            "gateways": [f"{INGRESS_NAMESPACE}/{INGRESS_GATEWAY}"],
            # Nobody but the ingress has a use for it: sidecars are spared it.
            "exportTo": ["."],
            "http": _without_repeats(
                # The port is said always: the Service may have ports that nobody declared, and without one requests
                # would go to that of the gateway's own listener.
                _http(service, entry, number, prefix=service.key)
                for service, number, entry in _seen(found)
            ),
        }
        for host, found in sorted(places.items())
    }


def _seen(places: Iterable[tuple[tuple[int, bool], str, Service, int]]) -> Iterator[tuple[Service, int, "Entry"]]:
    """The routes of one host's places in their order, without those of which an earlier one takes all requests.

    What one service says of a path is of no use where a narrower path is another's (istioctl analyze: IST0130).
    """
    earlier: list[MatchConfig] = []
    for _, path, service, number in sorted(places, key=lambda place: (place[0], place[1], place[2].key)):
        for entry in entries(service):
            narrowed = entry.within(path)
            if narrowed is not None and not any(condition.covers(narrowed.condition) for condition in earlier):
                earlier.append(narrowed.condition)
                yield service, number, narrowed


def _without_repeats(routes: Iterable[Spec]) -> list[Spec]:
    """The routes without the conditions that an earlier one has word by word, which never hold there.

    `/a` of a host and then `/a/*` of it both begin with the path `/a` itself (istioctl analyze: IST0131).
    """
    earlier: list[Spec] = []
    kept: list[Spec] = []
    for route in routes:
        if "match" not in route:
            kept.append(route)
            continue
        conditions = [condition for condition in route["match"] if condition not in earlier]
        earlier += conditions
        # Without any it would be a route for everything.
        if conditions:
            kept.append({**route, "match": conditions})
    return kept


@dataclass(frozen=True)
class Entry:
    """One of the routes that a service comes to, those that its rollout adds among them."""

    name: str
    condition: MatchConfig
    split: Mapping[str, int]
    """Share of each version in percent; empty: every pod of the service."""
    route: RouteConfig | None = None

    def within(self, path: str) -> "Entry | None":
        """The same route for requests of `path` alone; None when it takes none of them."""
        meeting = path_meet(self.condition.path or "/*", path)
        if meeting is None:
            return None
        condition = self.condition.model_copy(update={"path": None if meeting == "/*" else meeting})
        return Entry(self.name, condition, self.split, self.route)


def entries(service: Service) -> Iterator[Entry]:
    """All routes of a service in their order; the last one takes everything that is left."""
    config = service.config
    if config.canary is not None and config.canary.header is not None:
        yield Entry("canary", match_of(config.canary.header), {config.canary.to: 100})
    if config.blue_green is not None and config.blue_green.preview is not None:
        preview = config.blue_green.preview
        version = preview.version or other_of(list(config.versions), config.blue_green.active)
        assert version is not None, "the model has seen to it"
        yield Entry("preview", match_of(preview.header), {version: 100})
    split = default_split(service)
    for index, route in enumerate(config.routes):
        own = {route.version: 100} if route.version is not None else route.weights or split
        yield Entry(f"route-{index}", route.condition, own, route)
    if not any(route.condition.covers(EVERYTHING) for route in config.routes):
        yield Entry("default", EVERYTHING, split)


def default_split(service: Service) -> dict[str, int]:
    """Shares of the versions in the requests that no route says anything of; empty: every pod of the service."""
    canary, blue_green = service.config.canary, service.config.blue_green
    if canary is not None:
        stable = canary.from_ or other_of(list(service.config.versions), canary.to)
        assert stable is not None, "the model has seen to it"
        return {stable: 100 - canary.percent, canary.to: canary.percent}
    return {} if blue_green is None else {blue_green.active: 100}


def _http(
    service: Service, entry: Entry, target: int | None, *, port: int | None = None, prefix: str | None = None
) -> Spec:
    route = entry.route
    matches = _matches(entry.condition, port)
    words = [word for word in (prefix, entry.name, str(port) if port is not None else None) if word]
    rendered: Spec = {
        # In proxies' logs and traces: the route that a request took.
        "name": ".".join(words),
        **({"match": matches} if matches else {}),
        "route": _destinations(service, entry.split, target),
        **_terms(service, entry),
    }
    if route is not None and route.fault is not None:
        share = {"percentage": {"value": route.fault.percent}}
        rendered["fault"] = {
            **({"delay": {"fixedDelay": seconds(route.fault.delay), **share}} if route.fault.delay else {}),
            **({"abort": {"httpStatus": route.fault.abort, **share}} if route.fault.abort else {}),
        }
    if route is not None and route.mirror is not None:
        destination: Spec = {"host": host_of(route.mirror.to)}
        number = target or next(iter(service.config.http_ports.values()))
        rendered["mirrors"] = [
            {
                "destination": {**destination, "port": {"number": number}},
                "percentage": {"value": route.mirror.percent},
            }
        ]
    return rendered


def _matches(condition: MatchConfig, port: int | None) -> list[Spec]:
    """Istio's form of a condition: one of the list has to hold. Empty when it takes everything."""
    common: Spec = {}
    if port is not None:
        common["port"] = port
    if condition.headers:
        common["headers"] = {name: {"exact": value} for name, value in sorted(condition.headers.items())}
    if condition.methods:
        methods = sorted(condition.methods)
        common["method"] = {"exact": methods[0]} if len(methods) == 1 else {"regex": "|".join(methods)}
    if condition.path is None or condition.path == "/*":
        return [common] if common else []
    base = condition.path.removesuffix("/*")
    uris: list[Spec] = [{"exact": base}]
    if base != condition.path:
        uris.append({"prefix": f"{base}/"})
    return [{"uri": uri, **common} for uri in uris]


def _destinations(service: Service, split: Mapping[str, int], target: int | None) -> list[Spec]:
    port: Spec = {} if target is None else {"port": {"number": target}}
    shares = {version: share for version, share in sorted(split.items()) if share}
    if not shares:
        return [{"destination": {"host": service.host, **port}}]
    return [
        {
            "destination": {"host": service.host, "subset": version, **port},
            **({"weight": share} if len(shares) > 1 else {}),
        }
        for version, share in shares.items()
    ]


def _terms(service: Service, entry: Entry) -> Spec:
    """Time-out and retries: the route's own, else the service's."""
    config, route = service.config, entry.route
    stream = config.stream and (route is None or route.timeout is None)
    if route is not None and route.stream is not None:
        stream = route.stream
    own = None if route is None else route.timeout
    # A route of a streaming service that is none itself has the default, since the service says no other.
    timeout = own or config.timeout or defaults.TIMEOUT
    retries = config.retries if route is None or route.retries is None else route.retries
    methods = entry.condition.methods
    return {
        # Left out, it is none; Istio refuses to be told so (`0s`).
        **({} if stream else {"timeout": seconds(timeout)}),
        "retries": _retries(retries, methods or (), timed=None if stream else timeout),
    }


def _retries(config: RetriesConfig, methods: Sequence[str], *, timed: ShortDuration | None) -> Spec:
    if config.attempts == 0:
        return {"attempts": 0}
    idempotent = bool(methods) and defaults.IDEMPOTENT_METHODS.issuperset(methods)
    rendered: Spec = {
        "attempts": config.attempts,
        "retryOn": ",".join(defaults.RETRY_IDEMPOTENT if idempotent else defaults.RETRY_SAFE),
        "retryRemoteLocalities": defaults.RETRY_REMOTE_LOCALITIES,
    }
    if config.per_try is not None and timed is not None:
        rendered["perTryTimeout"] = seconds(min(config.per_try, timed))
    return rendered


def seconds(duration: Duration | ShortDuration) -> str:
    """As Istio's resources write a length of time: `15s`, `0.5s`."""
    return f"{duration.seconds}s".replace(".0s", "s")
