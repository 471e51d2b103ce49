"""What was found in the regions: frozen facts, which the checks judge and the collection fills in.

Lengths of time are in seconds, memory in bytes, moments in UTC, unless a field says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cryptography import x509

from mesh.doctor.stack import ClusterOutputs, MeshOutputs
from mesh.doctor.thresholds import Thresholds

Certificates = tuple[x509.Certificate, ...]
Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class Silent:
    """A region that could not be asked."""

    cause: str
    """A clause such as `does not answer (connection refused)`."""

    cure: str


@dataclass(frozen=True)
class Node:
    """A node, and how its clock differs from this machine's."""

    name: str
    ready: bool
    offset: float | None = None
    """Seconds ahead of this machine; None where no pod of it told the time."""


@dataclass(frozen=True)
class Distribution:
    """How long something took: how often, and the 99th percentile as the end of its bucket."""

    count: float
    p99: float


@dataclass(frozen=True)
class IstiodMetrics:
    """What istiod tells on its monitoring port."""

    version: str
    """As in `1.31.0`."""

    remotes: Mapping[str, str]
    """State of each cluster that it reads besides its own: `synced`, `syncing`, `timeout`, or `closed`, which it also
    says of one that it has taken anew, after a new token (Istio 1.31: the former one reports last)."""

    authority_until: datetime | None
    """End of what it signs with."""

    root_until: datetime | None
    memory: float
    push: Distribution | None
    """From a change until the proxies have it, of those within the time looked at; None where there was none."""

    queue: Distribution | None
    """That proxies waited for their turn."""

    configuration: float
    """Mean size, in bytes, of one push of all clusters, listeners and routes to a proxy."""


@dataclass(frozen=True)
class Istiod:
    """A pod of istiod."""

    pod: str
    revision: str
    ready: bool
    memory_limit: float | None
    metrics: IstiodMetrics | None
    """None where it does not answer."""

    refused: tuple[str, ...] = ()
    """Lines of its log of the last minutes in which another cluster's API server refused it."""


@dataclass(frozen=True)
class Gateway:
    """A gateway: its Service, and the pods behind it."""

    role: Literal["ingress", "east-west"]
    namespace: str
    name: str
    addresses: tuple[str, ...]
    pods: int
    ready: int


@dataclass(frozen=True)
class Webhook:
    """A webhook of Istio in an API server."""

    kind: Literal["mutating", "validating"]
    configuration: str
    name: str
    revision: str
    policy: str
    bundle: Certificates | None
    """The certificates that its server must chain to; None where they cannot be read."""

    service: Key | None
    """Where the API server finds it; None where that is an address."""


@dataclass(frozen=True)
class Traffic:
    """What one proxy saw of the requests to one destination, within the time looked at."""

    direction: Literal["outbound", "inbound"]
    """Inbound: from the proxy to the server beside it."""

    host: str
    """DNS name of the service; of inbound traffic the port."""

    port: int
    requests: float = 0
    """Answered ones."""

    p99: float | None = None
    """Seconds; None where too few were measured."""

    mean: float | None = None
    """Seconds, by the requests under way and the rate at which they are answered."""

    retries: float = 0
    overflows: float = 0
    """Requests that a full pool or an open circuit breaker refused."""

    breaker_open: bool = False
    """Whether a circuit breaker was open at any of the looks."""

    ejected: int = 0
    """Endpoints that outlier detection leaves out now."""

    endpoints: int = 0


@dataclass(frozen=True)
class ProxyMetrics:
    """What a proxy and its agent tell."""

    connected: bool
    """Whether it has a stream to istiod."""

    rejected: float
    """Configurations of istiod that it refused within the time looked at."""

    certificate_left: float | None
    memory: float
    """Of Envoy and its agent together."""

    clusters: int
    """Destinations that it knows, in Envoy's sense."""

    series: int
    """Metrics of requests that it keeps."""

    traffic: tuple[Traffic, ...] = ()


@dataclass(frozen=True)
class Proxy:
    """A pod's proxy."""

    pod: str
    namespace: str
    service: str
    """Canonical name of what it stands beside."""

    kind: Literal["sidecar", "gateway"]
    node: str
    version: str
    """As in `1.31.0`; empty where its image's tag does not say it."""

    ready: bool
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    memory_limit: float | None = None
    certificate_lifetime: float = 86_400
    killed: datetime | None = None
    """When the kernel last killed it for its memory."""

    metrics: ProxyMetrics | None = None
    """None where it does not answer."""

    @property
    def key(self) -> str:
        """As Istio's tools name it."""
        return f"{self.pod}.{self.namespace}"

    @property
    def workload(self) -> str:
        """What it is called in sentences."""
        return f"{self.namespace}/{self.service}"


@dataclass(frozen=True)
class Service:
    """A Service of Kubernetes."""

    ports: tuple[int, ...]
    ready: int
    """Ready endpoints."""

    selects: bool
    """Whether it has a selector: without one it is a name for what runs elsewhere."""


@dataclass(frozen=True)
class Rule:
    """A DestinationRule."""

    namespace: str
    name: str
    host: str
    """In full, where it is a service's."""

    selects: bool
    """Whether it holds for some workloads of its namespace alone."""


@dataclass(frozen=True)
class Scope:
    """A Sidecar."""

    namespace: str
    labels: Mapping[str, str]
    """Of the workloads it is for; empty for the whole namespace."""

    name: str = "default"


@dataclass(frozen=True)
class Region:
    """What one region told."""

    name: str
    kubernetes_version: str
    offset: float
    """Seconds that its API server's clock is ahead of this machine's."""

    nodes: tuple[Node, ...]
    network: str | None
    """Network of its mesh by the label of istio-system; None without the label."""

    mesh: bool
    """Whether there is an istio-system."""

    istiods: tuple[Istiod, ...]
    gateways: tuple[Gateway, ...]
    webhooks: tuple[Webhook, ...]
    roots: Certificates | None
    """What istiod gives workloads to trust; None where it gives nothing yet."""

    proxies: tuple[Proxy, ...]
    bare: tuple[Key, ...]
    """Pods without a proxy in namespaces that are injected."""

    services: Mapping[str, Service]
    """By DNS name."""

    rules: tuple[Rule, ...]
    scopes: tuple[Scope, ...]
    routed: frozenset[str]
    """Hosts that VirtualServices route."""

    mutual_tls: str | None
    """Mode of mutual TLS, mesh-wide; None where nothing says it."""

    def gateway(self, role: Literal["ingress", "east-west"]) -> Gateway | None:
        """The first one of this role."""
        return next((gateway for gateway in self.gateways if gateway.role == role), None)

    @property
    def serving(self) -> bool:
        """Whether some istiod of it is ready and answers."""
        return any(istiod.ready and istiod.metrics is not None for istiod in self.istiods)


@dataclass(frozen=True)
class Message:
    """What Istio's own analysis says."""

    code: str
    level: Literal["Error", "Warning", "Info"]
    origin: str
    """As in `VirtualService exam/web`."""

    text: str
    cluster: str


@dataclass(frozen=True)
class Sync:
    """What one istiod says of one proxy."""

    version: str
    states: Mapping[str, str]
    """By kind of configuration: `SYNCED`, `STALE`, `ERROR`, `NOT_SENT`."""

    sent: Mapping[str, str] = field(default_factory=dict[str, str])
    """When each kind was last sent, as istiod writes it."""


@dataclass(frozen=True)
class Unseen:
    """Something that could not be asked: why, and what would let it."""

    cause: str
    cure: str


@dataclass(frozen=True)
class Door:
    """A TLS handshake from this machine with what stands behind a gateway."""

    address: str
    name: str
    """Host or service that was asked for."""

    chain: Certificates = ()
    """What was shown, leaf first; empty where nothing came."""

    error: str = ""
    """Why nothing came."""

    refused: str = ""
    """Why the chain is not accepted; empty where it is."""


@dataclass(frozen=True)
class Way:
    """A request from one region's gateway to another one's."""

    address: str
    error: str = ""


@dataclass(frozen=True)
class Snapshot:
    """Everything that was found, and what it is judged by."""

    now: datetime
    stack: MeshOutputs
    thresholds: Thresholds
    contexts: Mapping[str, str]
    """Context of the kubeconfig by cluster, for the commands of findings."""

    window: float
    """Seconds within which traffic was looked at."""

    regions: Mapping[str, Region | Silent]
    analysis: Mapping[str, tuple[Message, ...] | Unseen] = field(
        default_factory=dict[str, "tuple[Message, ...] | Unseen"]
    )
    """By the cluster whose control plane's objects they are of."""

    sync: Mapping[str, Mapping[str, Sync] | Unseen] = field(default_factory=dict[str, "Mapping[str, Sync] | Unseen"])
    """By cluster with a control plane, then by proxy."""

    remotes: Mapping[str, Mapping[str, str] | Unseen] = field(default_factory=dict[str, "Mapping[str, str] | Unseen"])
    """What istiods say themselves of the clusters that they read: their states, by cluster with a control plane."""

    east_west: Mapping[str, Door] = field(default_factory=dict[str, Door])
    ingress: Mapping[str, tuple[Door, ...]] = field(default_factory=dict[str, tuple[Door, ...]])
    ways: Mapping[tuple[str, str], Way | Unseen] = field(default_factory=dict[tuple[str, str], "Way | Unseen"])

    @property
    def answering(self) -> Mapping[str, Region]:
        """The regions that told something, by name."""
        return {name: found for name, found in self.regions.items() if isinstance(found, Region)}

    def of_stack(self, region: str) -> ClusterOutputs:
        """What the stack says of a region."""
        return self.stack.clusters[region]

    def revision(self, region: str) -> str:
        """Of the istiod that a region has by default."""
        return self.of_stack(region).revision or self.stack.mesh.revision

    def istio_version(self, region: str) -> str:
        """Istio's version there."""
        return self.of_stack(region).istio_version or self.stack.mesh.istio_version

    def control_plane(self, region: str) -> str:
        """The cluster whose istiod serves a region."""
        return self.of_stack(region).primary or region

    def kubectl(self, region: str, *words: str) -> str:
        """A command of kubectl for a region, as it is typed."""
        return " ".join(("kubectl", "--context", self.contexts[region], *words))

    def istioctl(self, region: str, *words: str) -> str:
        """The same of istioctl."""
        return " ".join(("istioctl", "--context", self.contexts[region], *words))
