"""How callers' proxies treat a service: connections, choice of endpoint, endpoints left alone, other regions."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from components.config.faults import Fault
from components.config.model import Model, exactly_one
from components.config.names import HeaderName
from components.config.routes import Share
from components.config.values import DnsLabel, Duration, ShortDuration
from components.config.workload import Percent

Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""A number of connections, requests or errors, at least one."""

_LONGEST_CONNECT = ShortDuration.parse("1h")


class PoolConfig(Model):
    """Connections and requests of one proxy to the service; what is above a limit is answered 503 at once."""

    max_connections: Count | None = None
    """TCP connections; default 1024."""

    connect_timeout: ShortDuration | None = None
    """Time to connect, at most 1h; default 5s."""

    max_pending_requests: Count | None = None
    """Requests that wait for a connection; default 256."""

    max_requests: Count | None = None
    """Requests under way; default 1024."""

    max_requests_per_connection: Count | None = None
    """Requests after which a connection is closed; default: no limit. 1 switches keep-alive off."""

    max_retries: Count | None = None
    """Retries under way; default 3. While pods hang, each try at them holds its place until its time is over: with
    `perTry` of a second and 20 requests a second, 3 are too few, and 100 let none fail."""

    idle_timeout: Duration | None = None
    """Time after which a connection without requests is closed; default 1m."""

    max_connection_duration: Duration | None = None
    """Time after which a connection gets no more requests, on HTTP ports; default 1m, where there are other
    regions. A pod of a gateway between regions that is replaced outlasts it."""

    http2: bool | None = None
    """Whether requests of HTTP/1.1 share connections as HTTP/2, where a port is plain `http`; default: no."""

    def faults(self) -> Iterator[Fault]:
        if self.connect_timeout is not None and self.connect_timeout > _LONGEST_CONNECT:
            yield Fault(
                f"{self.connect_timeout} to connect",
                "Istio refuses more than an hour",
                "Write some seconds, as in `5s`",
                ("connectTimeout",),
            )


class CookieConfig(Model):
    """A cookie that the proxy sets where the caller has none."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", examples=["exam-session"])]
    """Its name."""

    ttl: Annotated[Duration, Field(examples=["1h"])] | None = None
    """Its life; default: the browser's session."""


class AffinityConfig(Model):
    """One caller, one endpoint, as long as that lives: exactly one way to know a caller.

    It holds among the endpoints of one version; weights between versions are drawn for each request.
    """

    cookie: Annotated[CookieConfig, Field(examples=[{"name": "exam-session", "ttl": "1h"}])] | None = None
    """By a cookie."""

    header: Annotated[HeaderName, Field(examples=["x-user-id"])] | None = None
    """By a header's value."""

    source_address: Literal[True] | None = None
    """By the address that the connection comes from."""

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(
            self,
            "cookie",
            "header",
            "sourceAddress",
            why="A caller would be known in no way, or in two",
            cure="Keep one",
        )


class OutliersConfig(Model):
    """When an endpoint that fails is left alone, and for how long."""

    enabled: bool | None = None
    """Whether any is ever left alone; default: yes."""

    consecutive_errors: Count | None = None
    """Answers 5xx and failed connections in a row; default 5."""

    gateway_errors_only: bool | None = None
    """Whether only 502, 503, 504 and failed connections count; default: no."""

    interval: Duration | None = None
    """How often endpoints are looked at again; default 10s."""

    ejection_time: Duration | None = None
    """How long one is left alone the first time; default 30s."""

    max_ejection_percent: Percent | None = None
    """Share of the endpoints that may be left alone at a time, in percent, rounded down; default 100."""


class SettingsConfig(Model):
    """Settings of all ports; of one version; of one port. The narrower one wins, setting by setting."""

    pool: PoolConfig = PoolConfig()
    """Connections and requests."""

    load_balancing: Literal["LEAST_REQUEST", "ROUND_ROBIN", "RANDOM"] | None = None
    """How an endpoint is chosen; default LEAST_REQUEST."""

    affinity: AffinityConfig | None = None
    """One caller, one endpoint, in place of `loadBalancing`; default: none."""

    outliers: OutliersConfig = OutliersConfig()
    """When a failing endpoint is left alone, and for how long."""

    def faults(self) -> Iterator[Fault]:
        if self.affinity is not None and self.load_balancing is not None:
            yield Fault(
                "both `affinity` and `loadBalancing` are given",
                "Istio takes one: an endpoint is chosen by the caller or by load",
                "Keep one of them",
                ("loadBalancing",),
            )


class TrafficConfig(SettingsConfig):
    """How callers' proxies treat the service."""

    ports: dict[DnsLabel, SettingsConfig] = Field(default={})
    """Settings of single ports, by the port's name; default: none."""


M = TypeVar("M", bound=Model)


def over(narrow: SettingsConfig, wide: SettingsConfig) -> SettingsConfig:
    """The settings of `narrow`, and where it says nothing those of `wide`."""
    balanced = narrow if narrow.affinity is not None or narrow.load_balancing is not None else wide
    return SettingsConfig.model_construct(
        pool=_over(narrow.pool, wide.pool),
        load_balancing=balanced.load_balancing,
        affinity=balanced.affinity,
        outliers=_over(narrow.outliers, wide.outliers),
    )


def _over(narrow: M, wide: M) -> M:
    said = {name: value for name in type(wide).model_fields if (value := getattr(narrow, name)) is not None}
    return wide.model_copy(update=said)


Failover = dict[DnsLabel, DnsLabel]
"""Where the requests of one region go when it has no good endpoint left."""

Distribution = dict[DnsLabel, dict[DnsLabel, Share]]
"""For each region the shares of the regions that its requests go to, in percent."""


def resilience_faults(
    failover: Mapping[str, str] | None,
    distribute: Mapping[str, Mapping[str, int]] | None,
    settings: Iterator[tuple[tuple[str, ...], SettingsConfig]],
) -> Iterator[Fault]:
    """Faults between the ways to other regions and the settings, each given with its place in the service."""
    if failover is not None and distribute is not None:
        yield Fault(
            "both `failover` and `distribute` are given",
            "Istio takes one: requests stay local while they can, or are always shared out",
            "Keep one of them",
            ("distribute",),
        )
    for source, target in (failover or {}).items():
        if source == target:
            yield Fault(
                f"from {source} to {source}",
                "Its requests would stay where nothing answers",
                "Name another region",
                ("failover", source),
            )
    for source, shares in (distribute or {}).items():
        if sum(shares.values()) != 100:
            yield Fault(
                f"the shares add up to {sum(shares.values())}",
                "Istio refuses the DestinationRule",
                "Make them 100 together",
                ("distribute", source),
            )
    word = "failover" if failover is not None else "distribute" if distribute is not None else None
    if word is None:
        return
    for place, setting in settings:
        if setting.outliers.enabled is False:
            yield Fault(
                f"no endpoint is ever left alone, and `{word}` is given",
                "Istio silently leaves the way to other regions out",
                f"Take `enabled: false` out, or `{word}`",
                (*place, "outliers", "enabled"),
            )
        elif (setting.outliers.max_ejection_percent or 100) < 100:
            yield Fault(
                f"at most {setting.outliers.max_ejection_percent} % of the endpoints are left alone, "
                f"and `{word}` is given",
                "The last local endpoints would be used however they fail, and requests not go to another region",
                "Leave `maxEjectionPercent` out: it is then 100",
                (*place, "outliers", "maxEjectionPercent"),
            )
