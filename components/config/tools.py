"""`istio-mesh:telemetry.tools`: Prometheus, Grafana, Jaeger and Kiali, made by the stack or existing, by address.

They are services of the mesh like all others: injected, with strict mutual TLS, and reached by those alone that are
named here. What follows from them is said in :func:`services`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from components.config import defaults
from components.config.faults import Fault, invalid
from components.config.gateways import GatewaysConfig
from components.config.mesh import ChartsConfig
from components.config.model import Model
from components.config.names import host_covers, host_of
from components.config.ports import PortConfig, PublicHostConfig
from components.config.services import ServiceConfig
from components.config.values import DnsLabel, Duration, Host, Quantity
from components.config.workload import ResourcesConfig

NAMESPACE = "observability"
"""Where they run, in every cluster."""

PROMETHEUS, VIEW, GRAFANA, JAEGER, KIALI = "prometheus", "view", "grafana", "jaeger", "kiali"
"""Names of the services, their releases and their accounts. `prometheus` is in every cluster, the others in one."""

PROMETHEUS_PORT, GRAFANA_PORT, KIALI_PORT = 9090, 3000, 20001
TRACES_PORT, QUERY_PORT = 4317, 16686
"""Of Jaeger: where spans come in by OTLP, and where they are asked for."""


def _address(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("https", "http") or not url.hostname or url.username or url.query or url.fragment:
        raise invalid(
            "it is not the address of a tool",
            "Nothing could be asked there",
            "Write it as in `https://prometheus.exam-platform.com`, without a user",
        )
    return value.rstrip("/")


Address = Annotated[str, AfterValidator(_address), Field(examples=["https://prometheus.exam-platform.com"])]
"""Where a tool is that somebody else runs."""


class ToolConfig(Model):
    """A tool: one that the stack makes, or an existing one, by its address."""

    existing: Address | None = None
    """The address of one that is there already; default: the stack makes it. Proxies have to know its host: declare it
    in `istio-mesh:egress`, or have it in the mesh."""

    charts: ChartsConfig | None = None
    """Where its chart comes from; default: its makers' repository."""

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$", examples=["29.27.0"])] | None = None
    """Version of its chart; default: the one that its values here were read against."""

    def faults(self) -> Iterator[Fault]:
        if self.existing is None:
            return
        for name in sorted(self.model_fields_set - {"existing"}):
            alias = type(self).model_fields[name].alias or name
            yield Fault(
                "it is said of a tool that is there already",
                "The stack does not make it, and this would be ignored",
                "Take it out, or take `existing` out",
                (alias,),
            )


class PrometheusConfig(ToolConfig):
    """The Prometheus of each cluster, and the view over all of them."""

    retention: Duration = defaults.METRICS_RETENTION
    """How long each cluster keeps its own series; default 2d."""

    storage: Quantity = defaults.METRICS_STORAGE
    """Size of each cluster's volume; default 20Gi."""

    view_retention: Duration = defaults.VIEW_RETENTION
    """How long the view keeps those of all clusters; default 15d."""

    view_storage: Quantity = defaults.VIEW_STORAGE
    """Size of the view's volume; default 50Gi."""

    storage_class: DnsLabel | None = None
    """StorageClass of the volumes; default: the cluster's own default."""

    resources: ResourcesConfig = defaults.PROMETHEUS_RESOURCES
    """What each of its pods gets; default: requests 250m and 1Gi, limits 2 and 4Gi."""


class GrafanaConfig(ToolConfig):
    """Grafana, with the mesh's dashboards in it."""

    host: Host | None = None
    """Its public host, which a server of the ingress has to serve; default: none, it is reached by a forwarded port."""

    admin_secret: DnsLabel | None = None
    """A Secret in the namespace `observability` with `admin-user` and `admin-password`; default: the chart makes one,
    `grafana`, with a password of its own. Nobody gets in without a login."""

    storage: Quantity = defaults.GRAFANA_STORAGE
    """Size of its volume, for users and what they make; default 5Gi."""

    resources: ResourcesConfig = defaults.GRAFANA_RESOURCES
    """What each of its pods gets; default: requests 100m and 256Mi, limits 1 and 1Gi."""


class JaegerConfig(ToolConfig):
    """Jaeger, which takes the spans in. It keeps them in memory: for more, name a collector of your own."""

    traces: Annotated[int, Field(ge=100, le=10_000_000)] = defaults.TRACES_KEPT
    """How many traces it keeps; default 50000. The oldest go first, and all of them when its pod is made anew."""

    resources: ResourcesConfig = defaults.JAEGER_RESOURCES
    """What each of its pods gets; default: requests 100m and 512Mi, limits 1 and 2Gi."""


class KialiConfig(ToolConfig):
    """Kiali, for looking only, by the login of a Kubernetes account's token."""

    host: Host | None = None
    """Its public host, which a server of the ingress has to serve; default: none."""

    resources: ResourcesConfig = defaults.KIALI_RESOURCES
    """What each of its pods gets; default: requests 50m and 128Mi, limits 500m and 1Gi."""


class ToolsConfig(Model):
    """The tools. What is not named is not there."""

    view: DnsLabel
    """The cluster with the view of all clusters, Grafana, Jaeger and Kiali."""

    prometheus: PrometheusConfig | None = None
    """Metrics; default: none."""

    grafana: GrafanaConfig | None = None
    """Dashboards; default: none."""

    jaeger: JaegerConfig | None = None
    """Traces; default: none."""

    kiali: KialiConfig | None = None
    """The mesh as a graph; default: none."""

    alertmanager: Annotated[Address, Field(examples=["http://alertmanager.alerting.svc.cluster.local:9093"])] | None = (
        None
    )
    """Where alerts are sent; default: nowhere, they are seen in Prometheus alone."""

    def faults(self) -> Iterator[Fault]:
        if self.prometheus is None:
            for name in ("grafana", "kiali"):
                if getattr(self, name) is not None:
                    yield Fault(
                        "there is no Prometheus that it could ask",
                        "It would start and show nothing",
                        "Add `prometheus: {}`, or `prometheus: {existing: <its address>}`",
                        (name,),
                    )
        if self.alertmanager is not None and (self.prometheus is None or self.prometheus.existing is not None):
            yield Fault(
                "the stack makes no Prometheus that would send alerts",
                "It would be ignored",
                "Name it where the existing Prometheus is configured, and give that `dashboards/alerts.yaml`",
                ("alertmanager",),
            )

    @property
    def metrics(self) -> str:
        """Where all clusters' metrics are asked for; empty where there is no Prometheus."""
        return _asked(self.prometheus, VIEW, PROMETHEUS_PORT)

    @property
    def traces(self) -> str:
        """Where traces are asked for; empty where there is no Jaeger."""
        return _asked(self.jaeger, JAEGER, QUERY_PORT)

    @property
    def dashboards(self) -> str:
        """Where Grafana is asked; empty where there is none."""
        return _asked(self.grafana, GRAFANA, GRAFANA_PORT)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts that proxies of the tools have to know besides: those of tools that are there already."""
        named = [self.alertmanager, *(tool.existing for tool in (self.prometheus, self.grafana, self.jaeger) if tool)]
        return tuple(sorted({str(urlsplit(url).hostname) for url in named if url is not None}))

    @property
    def public(self) -> dict[str, str]:
        """Addresses that people open, by tool."""
        found: dict[str, str] = {}
        for name, tool in ((GRAFANA, self.grafana), (KIALI, self.kiali)):
            if tool is not None and (address := tool.existing or (f"https://{tool.host}" if tool.host else None)):
                found[name] = address
        return found


def made(tool: ToolConfig | None) -> bool:
    """Whether the stack makes it."""
    return tool is not None and tool.existing is None


def _asked(tool: ToolConfig | None, name: str, port: int) -> str:
    if tool is None:
        return ""
    return tool.existing or f"http://{host_of(f'{NAMESPACE}/{name}')}:{port}"


def services(config: ToolsConfig | None, clusters: Sequence[str]) -> dict[str, ServiceConfig]:
    """The tools as services: where they run, and who calls whom."""
    if config is None:
        return {}
    callers = [_key(name) for name, tool in ((GRAFANA, config.grafana), (KIALI, config.kiali)) if made(tool)]
    found: dict[str, ServiceConfig] = {}
    if made(config.prometheus):
        # Nobody asks the Prometheus of a cluster but a person, by a forwarded port.
        found[_key(PROMETHEUS)] = _service(tuple(clusters), PROMETHEUS_PORT)
        found[_key(VIEW)] = _service((config.view,), PROMETHEUS_PORT, callers=(*callers, _key(PROMETHEUS)))
    if made(config.grafana):
        kiali = [_key(KIALI)] if made(config.kiali) else []
        host = config.grafana.host if config.grafana else None
        found[_key(GRAFANA)] = _service((config.view,), GRAFANA_PORT, callers=kiali, host=host)
    if made(config.jaeger):
        ports = {"http": PortConfig(number=QUERY_PORT), "grpc-otlp": PortConfig(number=TRACES_PORT)}
        found[_key(JAEGER)] = ServiceConfig(ports=ports, regions=(config.view,), callers=tuple(callers))
    if made(config.kiali):
        host = config.kiali.host if config.kiali else None
        found[_key(KIALI)] = _service((config.view,), KIALI_PORT, host=host)
    return found


def _key(name: str) -> str:
    return f"{NAMESPACE}/{name}"


def _service(
    regions: tuple[str, ...], port: int, *, callers: Sequence[str] = (), host: str | None = None
) -> ServiceConfig:
    hosts = () if host is None else (PublicHostConfig(host=host),)
    return ServiceConfig(ports={"http": PortConfig(number=port)}, regions=regions, callers=tuple(callers), hosts=hosts)


def tools_faults(
    config: ToolsConfig,
    *,
    collector: str | None,
    written: Sequence[str],
    names: Sequence[str],
    remotes: Mapping[str, str],
    gateways: GatewaysConfig | None,
) -> Iterator[Fault]:
    """Faults between the tools and the rest of the stack; relative to `istio-mesh:telemetry.tools`.

    collector: host of the stack's traces. written: services of the file. names, remotes: its clusters, and those
    without a control plane with their primary. gateways: None where they have a fault.
    """
    served = [] if gateways is None else [host for server in gateways.ingress.servers for host in server.hosts]
    for name, tool in ((GRAFANA, config.grafana), (KIALI, config.kiali)):
        if tool is None or tool.host is None or gateways is None:
            continue
        if not any(host_covers(host, tool.host) for host in served):
            yield Fault(
                f"the ingress does not serve `{tool.host}`",
                "Nobody could open it",
                "Add it to a server of `istio-mesh:gateways.ingress`, with its certificate",
                (name, "host"),
            )
    if config.view not in names:
        yield Fault(
            f"there is no cluster `{config.view}`",
            "Nobody would have the view",
            f"Name one of {', '.join(names)}",
            ("view",),
        )
    elif config.view in remotes:
        yield Fault(
            f"`{config.view}` is a remote cluster",
            f"It is lost with {remotes[config.view]}, and the view with both",
            f"Name a cluster with a control plane of its own, such as {remotes[config.view]}",
            ("view",),
        )
    for key in written:
        if key.partition("/")[0] == NAMESPACE:
            yield Fault(
                f"the service `{key}` is in the namespace of the tools",
                "Two owners would say who may call what in it",
                "Put it into another namespace",
            )
    expected = host_of(_key(JAEGER))
    if made(config.jaeger) and collector != expected:
        sent = f"spans are sent to `{collector}`" if collector else "no traces are made"
        yield Fault(
            f"{sent}",
            "Jaeger would stay empty",
            f"Write `tracing: {{collector: {{host: {expected}}}}}` beside `tools`",
            ("jaeger",),
        )
