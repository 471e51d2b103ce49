"""`istio-mesh:telemetry`: what the proxies tell of requests: tags of metrics, traces, access logs.

Expressions (CEL) are made from these words: Istio hands them to Envoy unread, and a wrong one only shows as a tag
`unknown` in production.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field

from components.config.defaults import ABSENT, LOG_SLOWER_THAN, LOG_STATUS_FROM, SAMPLING
from components.config.faults import Fault, invalid
from components.config.model import Model, exactly_one
from components.config.names import HeaderName
from components.config.tools import ToolsConfig
from components.config.values import DnsLabel, Duration, Host, Port

Attribute = Literal[
    "request.protocol",
    "request.method",
    "request.scheme",
    "connection.requested_server_name",
    "connection.tls_version",
]
"""Of Envoy's attributes, those with few values (envoyproxy.io: Attributes)."""

_STANDARD_TAGS = frozenset(
    {
        "reporter", "source_workload", "source_workload_namespace", "source_principal", "source_app", "source_version",
        "source_cluster", "destination_workload", "destination_workload_namespace", "destination_principal",
        "destination_app", "destination_version", "destination_service", "destination_service_name",
        "destination_service_namespace", "destination_cluster", "response_code", "grpc_response_status",
        "response_flags", "connection_security_policy",
    }
)  # fmt: skip


def _tag(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", value):
        raise invalid(
            f"`{value}` is not a tag's name",
            "Prometheus refuses it as a label",
            "Use lower-case letters, digits and underscores, as in `user_type`",
        )
    return value


TagName = Annotated[str, AfterValidator(_tag)]
"""Name of a tag: lower-case letters, digits and underscores, a letter first."""


def _value(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9 ._:/@+-]{1,128}", value):
        raise invalid(
            f"`{value}` is not a value that a tag can have" if value else "it is empty",
            "The expression that is made of it would be broken",
            "Use letters, digits, spaces and . _ : / @ + -, at most 128",
        )
    return value


TagValue = Annotated[str, AfterValidator(_value)]


def _dashboard(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("https", "http") or not url.hostname or url.username:
        raise invalid(
            f"`{_without_user(url)}` is not the address of a dashboard",
            "Nobody could open it",
            "Write it as in `https://grafana.exam-platform.com`, without a user",
        )
    return value


def _without_user(url: SplitResult) -> str:
    """An address without the user and password that may be in it."""
    return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()


DashboardUrl = Annotated[str, AfterValidator(_dashboard), Field(examples=["https://grafana.exam-platform.com"])]
"""Where a dashboard is opened."""


class MetricTagConfig(Model):
    """Where a tag of the metrics comes from: a header of requests or an attribute.

    A header is in the sender's hand, and every new value is a new time series in every proxy: its values are listed
    (any other is `other`), or only its presence is told (`present`, or `absent`), or it is taken `raw`.
    """

    header: HeaderName | None = None
    """A request's header, in lower case."""

    attribute: Attribute | None = None
    """Something that the proxy knows of a request."""

    values: Annotated[tuple[TagValue, ...], Field(min_length=1, examples=[["premium", "standard"]])] | None = None
    """The header's values that are told as they are; any other is `other`. Default: only whether there is one."""

    raw: bool = False
    """Whether the header is told whatever it is; default false. Warned about, since the metrics then grow without a
    bound."""

    absent: TagValue | None = None
    """The tag's value where there is none; default: `none`, for presence `absent`."""

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(
            self,
            "header",
            "attribute",
            why="The tag would have no source, or two",
            cure="Keep one source",
        )
        for word, said in (("values", self.values is not None), ("raw", self.raw)):
            if said and self.header is None:
                yield Fault(
                    "it is about headers, and there is none",
                    "An attribute has its own values, and it would be ignored",
                    "Take it out",
                    (word,),
                )
        if self.values is not None and self.raw:
            yield Fault(
                "both `values` and `raw` are given",
                "Listed values have a bound, and raw ones have none",
                "Keep `values`",
                ("raw",),
            )
        for index, value in enumerate(self.values or ()):
            if value in (self.values or ())[:index]:
                yield Fault(f"`{value}` is there twice", "One of them is a mistake", "Write it once", ("values", index))

    @property
    def expression(self) -> str:
        """Its CEL. Envoy evaluates it to a text, or to `unknown` where it fails."""
        if self.attribute is not None:
            return f"has({self.attribute}) ? {self.attribute} : '{self.absent or ABSENT}'"
        given, value = f"'{self.header}' in request.headers", f"request.headers['{self.header}']"
        if self.raw:
            told = value
        elif self.values is not None:
            known = " || ".join(f"{value} == '{found}'" for found in self.values)
            told = f"({known} ? {value} : 'other')"
        else:
            return f"{given} ? 'present' : '{self.absent or 'absent'}'"
        return f"{given} ? {told} : '{self.absent or ABSENT}'"


class MetricsConfig(Model):
    """Istio's standard metrics, with tags of the platform's own."""

    tags: dict[TagName, MetricTagConfig] = Field(default={})
    """Tags by name, added to every metric or in place of the one of that name; default: none."""

    def faults(self) -> Iterator[Fault]:
        for name in self.tags:
            if name in _STANDARD_TAGS:
                yield Fault(
                    f"`{name}` is one of Istio's own tags",
                    "Dashboards and Kiali read it, and would show something else",
                    "Take another name",
                    ("tags", name),
                )


class SpanTagConfig(Model):
    """A tag of spans, from a header of the request."""

    header: Annotated[HeaderName, Field(examples=["x-user-id"])]
    """The header, in lower case."""

    default: TagValue | None = None
    """The tag's value where there is none; default: no tag."""


class CollectorConfig(Model):
    """A collector of spans, and how it is spoken to."""

    protocol: Literal["otlp", "zipkin"] = "otlp"
    """OTLP by gRPC, or Zipkin's JSON by HTTP; default otlp."""

    host: Annotated[Host, Field(examples=["collector.observability.svc.cluster.local"])]
    """Its name in full: a Service of the clusters, or an external service of the stack."""

    port: Port = Field(default_factory=lambda data: 9411 if data.get("protocol") == "zipkin" else 4317)
    """Its port; default: 4317, for Zipkin 9411."""


class TracingConfig(Model):
    """Traces: which requests, with what, to where.

    A service passes on two headers of the request that it answers: `traceparent`, whose trace it is, and
    `x-request-id`, by which the next proxy knows what the first one has decided. With the first alone each proxy draws
    again, and most traces end in the middle (envoyproxy/envoy#45830).
    """

    collector: Annotated[CollectorConfig, Field(examples=[{"host": "collector.observability.svc.cluster.local"}])]
    """Where spans go."""

    sampling: Annotated[float, Field(ge=0, le=100)] = SAMPLING
    """Percent of the requests that arrive without a decision of their own; default 1."""

    tags: dict[TagName, SpanTagConfig] = Field(default={})
    """Tags of spans, by name; default: none."""


class AccessLogsConfig(Model):
    """A line in a proxy's log for requests that failed or were slow."""

    enabled: bool = True
    """Whether there are any; default true."""

    status_from: Annotated[int, Field(ge=400, le=599)] = LOG_STATUS_FROM
    """Status from which a request has failed; default 500. One without an answer has, and gRPC's errors of servers."""

    slower_than: Duration = LOG_SLOWER_THAN
    """Time above which a request was slow; default 1s."""

    @property
    def expression(self) -> str:
        """The CEL of what is logged."""
        # A TCP connection has no method, and no answer that could be missing. Envoy makes a gRPC status up for answers
        # that are not gRPC: 2 (UNKNOWN) for 200.
        return (
            f"has(request.method) && (!has(response.code) || response.code >= {self.status_from}"
            f" || request.duration > duration('{self.slower_than.seconds}s')"
            " || ('content-type' in request.headers && request.headers['content-type'].startsWith('application/grpc')"
            " && response.grpc_status in [2, 4, 12, 13, 14, 15]))"
        )


class TelemetryConfig(Model):
    """What the proxies tell, in the whole mesh."""

    metrics: MetricsConfig = MetricsConfig()
    """Istio's standard metrics, for Prometheus."""

    tracing: (
        Annotated[TracingConfig, Field(examples=[{"collector": {"host": "collector.observability.svc.cluster.local"}}])]
        | None
    ) = None
    """Traces; default: none."""

    access_logs: AccessLogsConfig = AccessLogsConfig()
    """Lines in the proxies' logs; default: of failed and slow requests."""

    dashboards: dict[DnsLabel, DashboardUrl] = Field(default={})
    """Addresses of the platform's dashboards by name, told to other teams by the outputs; default: those of `tools`
    that have one."""

    tools: Annotated[ToolsConfig, Field(examples=[{"view": "use1", "prometheus": {}, "grafana": {}}])] | None = None
    """Prometheus, Grafana, Jaeger and Kiali; default: none."""

    @property
    def warnings(self) -> list[str]:
        """What is allowed and may become dear, a sentence each."""
        return [
            f"istio-mesh:telemetry.metrics.tags.{name}: every value of the header `{tag.header}` becomes a time series "
            "in every proxy and in Prometheus. List its `values`, or leave `raw` out to tell its presence."
            for name, tag in sorted(self.metrics.tags.items())
            if tag.raw
        ]

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts that proxies send what they tell to, and so have to know."""
        collectors = () if self.tracing is None else (self.tracing.collector.host,)
        return (*collectors, *(self.tools.hosts if self.tools else ()))

    @property
    def addresses(self) -> dict[str, str]:
        """Dashboards by name: those of the tools, and what the stack says itself, which wins."""
        return {**(self.tools.public if self.tools else {}), **self.dashboards}
