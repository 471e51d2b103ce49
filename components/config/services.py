"""`istio-mesh:services`: the services of the platform, each said once."""

from collections.abc import Iterator
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field

from components.config import defaults
from components.config.access import AccessConfig
from components.config.extensions import RateLimitConfig, protection_faults
from components.config.faults import Fault, invalid
from components.config.model import Model
from components.config.names import Labels, ServiceName, VersionName
from components.config.ports import HTTP_PROTOCOLS, SEALED_PROTOCOLS, PortConfig, PublicHostConfig, protocol_of
from components.config.routes import (
    BlueGreenConfig,
    CanaryConfig,
    MatchConfig,
    RetriesConfig,
    RouteConfig,
    match_of,
    other_of,
    shadow_faults,
    term_faults,
)
from components.config.traffic import Distribution, Failover, SettingsConfig, TrafficConfig, resilience_faults
from components.config.values import ByteSize, DnsLabel, Duration, ShortDuration


class VersionConfig(Model):
    """A version of a service: the pods that have its labels."""

    labels: Annotated[Labels, Field(examples=[{"version": "v1"}])] | None = None
    """Labels of its pods; default `version: <name of the version>`."""

    traffic: TrafficConfig = TrafficConfig()
    """Where its callers' proxies treat it otherwise than the service."""


def _listed(written: Any) -> Any:
    """Versions as a list are versions without anything to say of them."""
    if not isinstance(written, list):
        return written
    names = cast(list[Any], written)
    for index, name in enumerate(names):
        if not isinstance(name, str):
            raise invalid("it is not a text", "It is the name of a version", 'Put it in quotes, as in `"1"`', index)
        if name in names[:index]:
            raise invalid(f"`{name}` is named twice", "One of them is a mistake", "Name it once", index)
    return {name: VersionConfig() for name in names}


Versions = Annotated[
    dict[VersionName, VersionConfig],
    BeforeValidator(_listed, json_schema_input_type=dict[VersionName, VersionConfig] | list[VersionName]),
    Field(examples=[["v1", "v2"]]),
]


class ServiceConfig(Model):
    """A service: where it runs, who reaches it and how. What is not said has a default that holds in production."""

    regions: Annotated[tuple[DnsLabel, ...], Field(min_length=1, examples=[["use1", "usw2"]])] | None = None
    """The clusters in which its pods run, by their names; default all."""

    ports: Annotated[dict[DnsLabel, PortConfig], Field(min_length=1, examples=[{"http": 8080}])]
    """Its Service's ports by name. The protocol is the name's first word, as in `http`, `grpc` or `http-control`."""

    workload: Annotated[Labels, Field(examples=[{"app": "exam-service"}])] | None = None
    """Labels that select its pods; default `app: <name of the service>`."""

    account: Annotated[DnsLabel, Field(examples=["exam-service"])] | None = None
    """Service account of its pods, which is their identity; default: the service's name."""

    versions: Versions = Field(default={})
    """Its versions, by name, or a list of names where each is the pods with the label `version: <name>`; default:
    none."""

    routes: tuple[RouteConfig, ...] = ()
    """Which requests go where, the first match wins. All others go to every version, or as `canary` or `blueGreen`
    say."""

    canary: Annotated[CanaryConfig, Field(examples=[{"to": "v2", "percent": 10}])] | None = None
    """A new version, tried by some."""

    blue_green: Annotated[BlueGreenConfig, Field(examples=[{"active": "blue"}])] | None = None
    """Two versions, one of which gets everything."""

    timeout: Annotated[ShortDuration, Field(examples=["5s"])] | None = None
    """Time for an answer, with all tries, where a route does not say it; default 15s."""

    stream: bool = False
    """Whether its answers have no end to wait for, where a route does not say it; then there is no time-out."""

    idle_timeout: Annotated[Duration, Field(examples=["1h"])] | None = None
    """Time after which a stream without a byte either way is ended; default 1h. Only with `stream`."""

    retries: RetriesConfig = RetriesConfig()
    """Whether a failed request is sent again, where a route does not say it."""

    traffic: TrafficConfig = TrafficConfig()
    """Connections, choice of endpoint, endpoints that are left alone."""

    failover: Annotated[Failover, Field(min_length=1, examples=[{"use1": "usw2"}])] | None = None
    """Where a region's requests go when its own endpoints fail; default: to all other regions alike.

    All stay as long as seven of ten endpoints are good; of fewer, a part goes (Envoy: overprovisioning factor 1.4)."""

    distribute: Annotated[Distribution, Field(min_length=1, examples=[{"use1": {"use1": 80, "usw2": 20}}])] | None = (
        None
    )
    """Shares of the regions that a region's requests go to; default: all stay, as with `failover`."""

    hosts: Annotated[tuple[PublicHostConfig, ...], Field(examples=[["api.exam-platform.com"]])] = ()
    """Public hosts of the ingress whose requests go to it; default: none."""

    callers: Annotated[tuple[ServiceName, ...], Field(examples=[["exam/web-frontend"]])] = defaults.CALLERS
    """Services that may call it, in every region; default: nobody. The ingress may where `hosts` are given."""

    offered_to: Annotated[tuple[DnsLabel, ...], Field(examples=[["shop"]])] = ()
    """Namespaces of other teams whose workloads may call it, from every region; default: none."""

    calls_out: Annotated[tuple[DnsLabel, ...], Field(examples=[["shop"]])] = ()
    """Namespaces of other teams whose services it may call, where these let it in; default: none."""

    access: Annotated[AccessConfig, Field(examples=[{"jwt": {"issuers": ["exam"]}}])] | None = None
    """What its callers have to show; default: nothing but their own identity."""

    rate_limit: Annotated[RateLimitConfig, Field(examples=[{"requests": 100, "per": "60s"}])] | None = None
    """How many requests the proxy of each pod lets through; default: all."""

    max_request_body: Annotated[ByteSize, Field(examples=["1Mi"])] | None = None
    """Size above which a request is answered 413; default: none. Held back in the proxy until all of it has come."""

    def faults(self) -> Iterator[Fault]:
        yield from self._port_faults()
        yield from self._version_faults()
        yield from self._route_faults()
        yield from self._traffic_faults()
        yield from protection_faults(
            access=self.access,
            rate_limit=self.rate_limit,
            max_request_body=self.max_request_body,
            protocols=self.protocols,
            streams=self.streams,
        )
        yield from _repeated("regions", self.regions or ())
        yield from _repeated("callers", self.callers)
        yield from _repeated("offeredTo", self.offered_to)
        yield from _repeated("callsOut", self.calls_out)

    def _port_faults(self) -> Iterator[Fault]:
        seen: dict[int, str] = {}
        for name, port in self.ports.items():
            if port.protocol is None and protocol_of(name, port) is None:
                yield Fault(
                    f"the name `{name}` does not begin with a protocol",
                    "Istio would take the port for plain TCP, and routes, roles and limits would not hold on it",
                    f"Name it as in `http-{name}: {port.number}`, "
                    f"or write `{name}: {{number: {port.number}, protocol: http}}`",
                    ("ports", name),
                )
            if port.number in seen:
                yield Fault(
                    f"{port.number} is the port `{seen[port.number]}` already",
                    "The API server refuses such a Service",
                    "Give each port its own number",
                    ("ports", name),
                )
            seen.setdefault(port.number, name)

    def _version_faults(self) -> Iterator[Fault]:
        names = list(self.versions)
        labelled: dict[frozenset[tuple[str, str]], str] = {}
        for name, version in self.versions.items():
            pods = frozenset((version.labels or {"version": name}).items())
            if pods in labelled:
                yield Fault(
                    f"its labels are those of `{labelled[pods]}`",
                    "Both would be the same pods",
                    "Give each version labels of its own",
                    ("versions", name, "labels"),
                )
            labelled.setdefault(pods, name)
            for port in version.traffic.ports:
                yield from self._port_known(port, ("versions", name, "traffic", "ports", port))
        named: list[tuple[str, tuple[str | int, ...]]] = []
        for index, route in enumerate(self.routes):
            named += [(version, ("routes", index, *place)) for version, place in route.versions]
        if self.canary is not None:
            named.append((self.canary.to, ("canary", "to")))
            if self.canary.from_ is not None:
                named.append((self.canary.from_, ("canary", "from")))
        if self.blue_green is not None:
            named.append((self.blue_green.active, ("blueGreen", "active")))
            if self.blue_green.preview is not None and self.blue_green.preview.version is not None:
                named.append((self.blue_green.preview.version, ("blueGreen", "preview", "version")))
        for version, place in named:
            if version not in self.versions:
                known = f"Known here: {', '.join(f'`{name}`' for name in names)}" if names else "There are none"
                yield Fault(
                    f"there is no version `{version}`",
                    "Every request that goes there would be answered 503",
                    f"{known}; add it to `versions`, or name another one",
                    place,
                )
        yield from self._rollout_faults(names)

    def _rollout_faults(self, names: list[str]) -> Iterator[Fault]:
        if self.canary is not None and self.blue_green is not None:
            yield Fault(
                "both `canary` and `blueGreen` are given",
                "Each says where all other requests go",
                "Keep one of them",
                ("blueGreen",),
            )
        for name, port in self.ports.items() if self.canary is not None or self.blue_green is not None else ():
            if protocol_of(name, port) in SEALED_PROTOCOLS:
                yield Fault(
                    f"connections of `{name}` are sealed by the application",
                    "Proxies route them by the name that the caller asks for, so that they would go to every version",
                    f"Let it be plain, as in `http` or `grpc` (the mesh seals it), or name it `tcp-{name}`",
                    ("ports", name),
                )
        canary, blue_green = self.canary, self.blue_green
        if canary is not None and canary.to in names:
            if canary.from_ == canary.to:
                yield Fault(
                    f"from `{canary.to}` to `{canary.to}`", "Nothing would be tried", "Name another one",
                    ("canary", "from"),
                )  # fmt: skip
            elif canary.from_ is None and other_of(names, canary.to) is None:
                yield Fault(
                    f"there {_count(len(names))}, and none is named as the stable one",
                    "It is not known where all other requests go",
                    "Add `from`, as in `from: v1`",
                    ("canary",),
                )
        if blue_green is not None and blue_green.preview is not None and blue_green.active in names:
            if blue_green.preview.version == blue_green.active:
                yield Fault(
                    f"`{blue_green.active}` is the active one",
                    "The preview would show what everybody sees",
                    "Name the other one",
                    ("blueGreen", "preview", "version"),
                )
            elif blue_green.preview.version is None and other_of(names, blue_green.active) is None:
                yield Fault(
                    f"there {_count(len(names))}, and none is named as the one to preview",
                    "It is not known which one to show",
                    "Add `version`, as in `version: green`",
                    ("blueGreen", "preview"),
                )

    def _route_faults(self) -> Iterator[Fault]:
        yield from term_faults(self.timeout, self.stream, self.retries)
        first: dict[str, MatchConfig] = {}
        if self.canary is not None and self.canary.header is not None:
            first["canary.header"] = match_of(self.canary.header)
        if self.blue_green is not None and self.blue_green.preview is not None:
            first["blueGreen.preview.header"] = match_of(self.blue_green.preview.header)
        yield from (fault.under(("routes",)) for fault in shadow_faults(self.routes, first))
        if self.idle_timeout is not None and not self.streams:
            yield Fault(
                "there is no stream that it could end",
                "Requests have a time-out, and an idle one besides would never act",
                "Add `stream: true` to the service or to a route, or take it out",
                ("idleTimeout",),
            )
        if self.http_ports:
            return
        for word, said in (
            ("routes", bool(self.routes)),
            ("canary", self.canary is not None and self.canary.header is not None),
            ("blueGreen", self.blue_green is not None and self.blue_green.preview is not None),
            ("timeout", self.timeout is not None),
            ("stream", self.stream),
            ("retries", "retries" in self.model_fields_set),
            ("hosts", bool(self.hosts)),
        ):
            if said:
                yield Fault(
                    "the service has no HTTP port",
                    "Proxies see no requests on its ports, only connections, and it would be ignored",
                    "Name an HTTP port, as in `http: 8080`, or take it out",
                    (word,),
                )

    def _traffic_faults(self) -> Iterator[Fault]:
        for port in self.traffic.ports:
            yield from self._port_known(port, ("traffic", "ports", port))
        yield from resilience_faults(self.failover, self.distribute, self.settings())
        for place, traffic in self._traffic():
            for port, settings in traffic.ports.items():
                if port in self.ports.keys() - self.http_ports:
                    yield from self._no_requests(settings, (*place, "ports", port))
            if not self.http_ports:
                yield from self._no_requests(traffic, place)
        hosts: dict[tuple[str, str], int] = {}
        for index, public in enumerate(self.hosts):
            for position, path in enumerate(public.paths):
                if (public.host, path) in hosts:
                    yield Fault(
                        f"hosts[{hosts[public.host, path]}] has `{path}` of `{public.host}` already",
                        "One of the two would never be looked at",
                        "Name each path once",
                        ("hosts", index, *(("paths", position) if "paths" in public.model_fields_set else ())),
                    )
                hosts.setdefault((public.host, path), index)
            if public.port is not None:
                yield from self._port_known(public.port, ("hosts", index, "port"), http=True)
            elif self.http_ports and self.public_port(public) is None:
                yield Fault(
                    f"there are {len(self.http_ports)} HTTP ports, and none is named `http`",
                    "It is not known which one gets the requests",
                    f"Add `port`, as in `port: {next(iter(self.http_ports))}`",
                    ("hosts", index),
                )

    def settings(self) -> Iterator[tuple[tuple[str, ...], SettingsConfig]]:
        """Everything that says how callers treat it, with its place."""
        for place, traffic in self._traffic():
            yield place, traffic
            for port, settings in traffic.ports.items():
                yield (*place, "ports", port), settings

    def _traffic(self) -> Iterator[tuple[tuple[str, ...], TrafficConfig]]:
        """The settings of all versions, then those of each."""
        yield ("traffic",), self.traffic
        for name, version in self.versions.items():
            yield ("versions", name, "traffic"), version.traffic

    @staticmethod
    def _no_requests(settings: SettingsConfig, place: tuple[str, ...]) -> Iterator[Fault]:
        """Faults of settings that only requests can have, where there are none."""
        left_out = (
            "It would be left out: proxies see no requests on such a port, and cannot tell when none is under way"
        )
        ignored = "Proxies see no requests on such a port, only connections, and it would be ignored"
        pool, affinity = settings.pool, settings.affinity
        # Not `maxPendingRequests`: TCP connections too wait for one to the endpoint.
        for where, said, consequence in (
            (("pool", "maxConnectionDuration"), pool.max_connection_duration, left_out),
            (("pool", "maxRequests"), pool.max_requests, ignored),
            (("pool", "maxRequestsPerConnection"), pool.max_requests_per_connection, ignored),
            (("pool", "maxRetries"), pool.max_retries, ignored),
            (("pool", "http2"), pool.http2, ignored),
            (("affinity", "cookie"), affinity and affinity.cookie, ignored),
            (("affinity", "header"), affinity and affinity.header, ignored),
        ):
            if said is not None:
                yield Fault(
                    "there it is not for HTTP",
                    consequence,
                    "Take it out, or name a port for HTTP",
                    (*place, *where),
                )

    def _port_known(self, port: str, place: tuple[str | int, ...], *, http: bool = False) -> Iterator[Fault]:
        if port not in self.ports:
            yield Fault(
                f"there is no port `{port}`",
                "Nothing would come of it",
                f"Known here: {', '.join(f'`{name}`' for name in self.ports)}",
                place,
            )
        elif http and port not in self.http_ports:
            yield Fault(
                f"`{port}` is not an HTTP port",
                "The ingress routes requests, and would find none in its connections",
                "Name an HTTP port",
                place,
            )

    @property
    def protocols(self) -> dict[str, str | None]:
        """Protocols of the ports, by their names."""
        return {name: protocol_of(name, port) for name, port in self.ports.items()}

    @property
    def http_ports(self) -> dict[str, int]:
        """Numbers of the ports whose requests the proxies see, by name."""
        return {name: port.number for name, port in self.ports.items() if protocol_of(name, port) in HTTP_PROTOCOLS}

    @property
    def tcp_ports(self) -> dict[str, int]:
        """Numbers of the ports of which proxies see plain connections, by name."""
        seen = HTTP_PROTOCOLS | SEALED_PROTOCOLS
        return {name: port.number for name, port in self.ports.items() if protocol_of(name, port) not in seen}

    @property
    def streams(self) -> bool:
        """Whether any of its routes is a stream."""
        return self.stream or any(route.stream for route in self.routes)

    @property
    def stream_idle(self) -> Duration:
        """Time after which a silent stream is ended."""
        return self.idle_timeout or defaults.STREAM_IDLE

    def public_port(self, public: PublicHostConfig) -> int | None:
        """Number of the port that gets a public host's requests; None where it is not known."""
        ports = self.http_ports
        if public.port is not None:
            return ports.get(public.port)
        return ports.get("http") or (next(iter(ports.values())) if len(ports) == 1 else None)

    def runs_in(self, cluster: str) -> bool:
        """Whether its pods run in the cluster of that name."""
        return self.regions is None or cluster in self.regions


def _count(number: int) -> str:
    return "is one version" if number == 1 else f"are {number} versions"


def _repeated(key: str, names: tuple[str, ...]) -> Iterator[Fault]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Fault(f"`{name}` is named twice", "One of them is a mistake", "Name it once", (key, index))


ServicesConfig = dict[ServiceName, ServiceConfig]
"""The services, by `namespace/name`."""
