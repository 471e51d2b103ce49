"""Every default that is a decision, with its reason: what an operator would otherwise learn from an incident.

The models take their values from here, and docs/reference/defaults.md shows them.
"""

from components.config.values import Duration, Quantity, ShortDuration
from components.config.workload import ReplicasConfig, resources

# Sizes.

ISTIOD_REPLICAS = ReplicasConfig(min=3, max=10)
"""One in each of three zones: while a zone is lost and another pod is replaced, one still signs certificates and tells
of endpoints. The autoscaler adds more where proxies wait for their configuration; a disruption budget keeps one."""

ISTIOD_TARGET_CPU = 70
"""Percent of the requested cpu above which a pod of istiod is added. Its load comes in bursts, one for each change of
the mesh, and a new pod takes its share only as proxies connect anew: it is added before the others are busy."""

ISTIOD_RESOURCES = resources(("500m", "2Gi"), ("1", "4Gi"))
"""Of a pod of istiod, which has the whole mesh in memory: 1000 services and 2000 proxies take 1 cpu and 1.5 GB
(istio.io: performance and scalability, 1.15). Half of that cpu is set aside, since bursts are short, and twice the
memory is the limit, since being killed for memory under load brings all proxies back at once."""

GATEWAY_REPLICAS = ReplicasConfig(min=2, max=8)
"""Two, spread over zones, so that the loss of one closes no region, and a disruption budget keeps one while nodes are
drained; up to eight where requests are many."""

GATEWAY_TARGET_CPU = 80
"""Percent of the requested cpu above which a gateway's pod is added: its load follows the requests and has no bursts of
its own, and between request and limit is room until the new pod is there."""

GATEWAY_RESOURCES = resources(("100m", "128Mi"), ("2", "1Gi"))
"""Of a gateway's pod, as in the gateway chart: little is set aside where few requests come, and it may take far more
for a while, because all requests of a region pass it."""

GATEWAY_MIN_AVAILABLE = 1
"""Pods of a gateway that a disruption budget keeps while nodes are drained: one serves a region for a while, and a
larger number would let nobody drain a node where there are two pods. A gateway of one pod has none, for the same
reason."""

SPREAD = "ScheduleAnyway"
"""What is done with a pod of istiod or of a gateway that cannot be spread over zones and nodes: it runs all the same.
`DoNotSchedule` would leave it waiting while a zone is lost, which is when it is needed."""

GATEWAY_DRAIN_AT_LEAST = Duration.parse("2m")
"""Of a gateway's pod that is replaced: so long it takes new connections, since a Network Load Balancer of AWS goes on
sending some for two minutes after it was told not to (measured by users of its controller: issue 2366 of
kubernetes-sigs/aws-load-balancer-controller). Istio's own 5 s end it, with all connections, long before."""

GATEWAY_DRAIN_AT_MOST = Duration.parse("4m")
"""Of the same: it ends when its last connection is gone, and at the latest then. Connections of callers in other
regions have left it after the two minutes above, the life of a connection, and half a minute for the last answer."""

PROXY_RESOURCES = resources(("100m", "128Mi"), ("200m", "256Mi"))
"""Of the proxy in each pod: what it sets aside is, times the pods, what the mesh costs. 1000 requests a second take
0.35 cpu and 40 MB (istio.io: performance and scalability, 1.15), so the limit is good for some 500: raise it for a mesh
of busier services. Istio's own limits (2 and 1Gi) let one proxy starve its neighbours."""

# Proxies.

HOLD_APPLICATION = True
"""Whether a pod's application begins after its proxy has its configuration. Otherwise its first requests fail, where
sidecars are not native ones; with native ones Kubernetes keeps this order itself."""

# Tools.

PROMETHEUS_RESOURCES = resources(("250m", "1Gi"), ("2", "4Gi"))
"""Of a Prometheus: about 3 kB of memory for each series (prometheus.io: storage), of which a proxy has some hundred
that are kept here; a query over days takes cpu for seconds, and none in between."""

GRAFANA_RESOURCES = resources(("100m", "256Mi"), ("1", "1Gi"))
"""Of Grafana, which only passes queries on and draws."""

JAEGER_RESOURCES = resources(("100m", "512Mi"), ("1", "2Gi"))
"""Of Jaeger, which has its traces in memory: 50000 of them, of ten spans of 2 kB each, are 1 GB."""

KIALI_RESOURCES = resources(("50m", "128Mi"), ("500m", "1Gi"))
"""Of Kiali, which keeps the objects of its cluster in memory."""

METRICS_RETENTION = Duration.parse("2d")
"""Of each cluster's own series: what alerts ask for, and a weekend without the view. It has all for longer."""

METRICS_STORAGE = Quantity.parse("20Gi")
"""Of each cluster's Prometheus: 2 bytes a sample, every 15 s, are 2 GB in two days for 100000 series; the rest is for
what waits while the view cannot be reached."""

VIEW_RETENTION = Duration.parse("15d")
"""Of all clusters' series in the view, Prometheus's own default: two weeks side by side."""

VIEW_STORAGE = Quantity.parse("50Gi")
"""Of the view: 2 bytes a sample, every 15 s, are 17 GB in 15 days for 100000 series; three times that."""

GRAFANA_STORAGE = Quantity.parse("5Gi")
"""Of Grafana: users, and dashboards that they make themselves. Those of the mesh come with the stack."""

TRACES_KEPT = 50_000
"""In Jaeger's memory: at one percent of 1000 requests a second, an hour and a half."""

# Trust.

MUTUAL_TLS = "STRICT"
"""No pod takes plain text: whoever has no certificate of the mesh has no identity, and no rule about callers would hold
for it. Exceptions name a workload and a port."""

ROOT_LIFETIME = Duration.parse("3650d")
"""Of a root that the stack makes. To change it every workload has to learn the new one first, which nobody wants to do
often; ten years outlast the mesh or its first rotation."""

INTERMEDIATE_LIFETIME = Duration.parse("730d")
"""Of a cluster's intermediate: a stolen one is worth something for so long at most, and renewing it is one number."""

INTERMEDIATE_WARNING = Duration.parse("60d")
"""Before an intermediate ends, the program warns: two months are longer than any freeze of changes."""

WORKLOAD_LIFETIME = Duration.parse("24h")
"""Of a workload's certificate, Istio's own default. Nothing revokes one before its end, and istiod may be gone for half
of it before a proxy has none."""

MAX_WORKLOAD_LIFETIME = Duration.parse("24h")
"""The longest that a proxy may ask for, no more than what it is given unasked: nobody gets one that outlives a day."""

GENERATED_TLS_LIFETIME = Duration.parse("90d")
"""Of a public certificate that the stack makes, as long as those of Let's Encrypt; renewed in the last third."""

INGRESS_AUTHORITY_LIFETIME = Duration.parse("3650d")
"""Of the authority that signs generated certificates of hosts: clients of a trial are given it once, by hand, and it
outlasts the trial."""

# Routes.

TIMEOUT = ShortDuration.parse("15s")
"""Of a request with all its tries. Istio has none: one hanging server then holds its callers' connections until they
hang too. Longer than the 10 s after which most clients give up, so that the caller's own limit is the one that acts."""

STREAM_IDLE = Duration.parse("1h")
"""Of a stream without a byte either way. Streams have no end to wait for, but one whose other side is gone without a
word must not be kept for ever; an hour outlasts the keep-alives of gRPC and of load balancers (AWS NLB: 350 s)."""

RETRY_ATTEMPTS = 2
"""Tries after the first one, as Istio's own default: more of them multiply the load on a service that is down."""

RETRY_SAFE = ("connect-failure", "refused-stream", "reset-before-request")
"""When any request may be sent again: it has never reached the application. Istio's default adds `unavailable` and
`cancelled`, which an application answers after it has done half of its work."""

RETRY_IDEMPOTENT = (*RETRY_SAFE, "gateway-error", "reset", "unavailable")
"""When a request that may be done twice is sent again: also after 502, 503, 504, or a connection that broke."""

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods that may be done twice (RFC 9110, 9.2.2)."""

RETRY_REMOTE_LOCALITIES = True
"""Whether a further try may go to another region: the endpoints near by have just failed, and may all have."""

# Traffic.

CONNECT_TIMEOUT = ShortDuration.parse("5s")
"""Of a TCP connection. Istio's 10 s are longer than most callers wait; between regions 1 s is plenty."""

MAX_CONNECTIONS = 1024
"""TCP connections of one proxy to one service. Istio has no limit: a slow service then takes the memory of all its
callers."""

MAX_PENDING_REQUESTS = 256
"""Requests of one proxy that wait for a connection; the next one is answered 503 at once."""

MAX_REQUESTS = 1024
"""Requests of one proxy that are under way at one service; the next one is answered 503 at once."""

MAX_RETRIES = 3
"""Retries of one proxy that are under way at one service, so that they cannot become most of the load."""

CONNECTION_IDLE = Duration.parse("60s")
"""Of a connection without requests: shorter than what servers and load balancers in between
keep, so that no request is sent on a connection that is being closed."""

CONNECTION_LIFE = Duration.parse("60s")
"""Of a connection for HTTP, where there are other regions: then it gets no more requests, and is closed after the last
answer. What passes the gateway of another region is sealed, so that a pod of it that is replaced can ask nobody to
leave: callers leave by themselves. Connections within the region end too, since Istio cannot tell them apart here: one
handshake a minute for each."""

LAST_ANSWER = Duration.parse("30s")
"""What a request may still take that was sent at the end of a connection's life: twice the time-out of a route."""

DRAIN_DURATION = Duration.parse("45s")
"""How long Envoy keeps what a change of its configuration replaces, Istio's own `drainDuration`."""

TCP_KEEPALIVE = Duration.parse("60s")
"""Idle time of a TCP connection before it is probed: below the 350 s after which a network load balancer forgets it
without a word (AWS NLB), where region-crossing connections pass."""

LOAD_BALANCING = "LEAST_REQUEST"
"""The less busy of two endpoints taken at random: as fair as a round when all are equal, and far better when one is
slow. LEAST_CONN of older versions is gone; this is what it had become."""

EJECT_AFTER = 5
"""Answers 5xx, connection failures among them, in a row before an endpoint is left alone."""

EJECTION_INTERVAL = Duration.parse("10s")
"""How often endpoints are looked at again; also how late one that failed in another way is noticed."""

EJECTION_TIME = Duration.parse("30s")
"""How long an endpoint is left alone the first time; each time in a row is longer by as much."""

MAX_EJECTION_PERCENT = 100
"""Of the endpoints. Istio's 10 % ejects none of a service with fewer than ten (Envoy rounds down), and 50 % never
the last local ones, so that failover on errors would not happen."""

# Scope.

SCOPE_OF_NO_CALLS = ("~/*",)
"""What the proxy of a service knows that calls nobody: nothing. A proxy knows those services that have its own among
their callers (by a Sidecar): its memory and its part of each push grow with what it calls, and not with the mesh."""

SCOPE_OF_OTHER_PODS = ("./*",)
"""What the proxies of a namespace's other pods know, of which the stack says nothing: their own namespace, so that what
runs beside the services does not break."""

# Egress.

EGRESS_MODE = "REGISTRY_ONLY"
"""A host that nobody declared is refused: a stolen pod cannot send its loot anywhere, and a list of what the platform
depends on exists."""

# Access.

CALLERS = ()
"""Nobody may call a service that does not say who (default deny in each namespace): a pod that is broken into reaches
what its own service calls, and no more. A caller too few is seen in the first test, one too many never."""

PUBLIC_PATHS = ("/health", "/metrics")
"""What monitoring asks without a token. Open to workloads of the mesh, so also to the ingress for
the hosts that it routes to a service: name `public: [/health]` where the figures are nobody's business."""

ROLES_CLAIM = "roles"
"""Where most issuers put the roles of who calls; Keycloak's is `realm_access.roles`."""

PATH_NORMALIZATION = "DECODE_AND_MERGE_SLASHES"
"""How paths are read before rules are applied, mesh-wide: as most servers read them. Otherwise `//admin` and `/%61dmin`
are other paths to the rule and `/admin` to the server (istio.io: security best practices)."""

# Telemetry.

SAMPLING = 1.0
"""Percent of requests that are traced, Istio's own default: enough to see where time goes, and a hundredth of what
tracing everything costs in collectors and proxies."""

LOG_STATUS_FROM = 500
"""Status from which a request is logged: what is the platform's fault. Clients' own (400 to 499) are in the metrics."""

LOG_SLOWER_THAN = Duration.parse("1s")
"""Time above which a request is logged: what people call slow."""

ABSENT = "none"
"""Value of a tag whose header is not there: a word, since an empty label is dropped by most stores of metrics, and the
requests without the header could not be asked for."""

# Extensions.

WASM_ON_FAILURE = "refuse"
"""Where a module cannot be had: one that checks requests, and is passed by when it is not there, checks nothing that
somebody wants to get past it."""

# istiod.

JWKS_REFRESH = Duration.parse("5m")
"""How often issuers' keys are fetched. istiod's own 20 min are longer than many issuers publish a
new key ahead; one small request every five minutes costs nothing."""

BLOCKED_JWKS_RANGES = ("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10", "fd00:ec2::254/128")
"""The machine's own addresses and those of cloud metadata (AWS: 169.254.169.254, fd00:ec2::254): whoever may write a
RequestAuthentication could let istiod ask there (istioctl analyze IST0175)."""

# Policies.

PRODUCTION_STACKS = ("prod", "production")
"""Stacks that rules of production hold for: what a rehearsal may do without, such as a NAT gateway in each zone, costs
money there and buys nothing."""

REQUIRED_TAGS = ("owner", "environment", "costCentre")
"""Whom to ask, what it is for, and who pays: a resource without one of them is nobody's, and stays for ever."""

INGRESS_PORTS = (80, 443)
"""What browsers come to, the first of them only to be sent to the second."""

END_OF_SUPPORT = Duration.parse("90d")
"""Notice before a version's support ends: a quarter is what it takes to upgrade clusters, nodes and mesh one region
after the other."""

MAX_SAMPLING = 10
"""Percent of the requests that production may trace: ten times Istio's own default, enough to find a fault."""

WITHOUT_INJECTION = ("kube-*", "istio-system", "istio-ingress")
"""Namespaces of Kubernetes and of the mesh itself: their pods work without sidecars, and most not with them."""
# AWS.

VPC_PREFIX = 16
"""Pods take addresses of the VPC: the largest one that AWS gives, since a VPC cannot grow in place."""

NAT = "perZone"
"""A zone that fails takes its gateway along: the pods of the other zones then still reach what is outside."""

FLOW_LOGS_DAYS = 30
"""Days that flow logs are kept: as long as an incident is usually looked into; they are the largest of the logs."""

CONTROL_PLANE_LOGS_DAYS = 90
"""Days that a control plane's logs are kept: the audit log among them tells who did what, which is asked for late."""

KEY_DELETION_DAYS = 30
"""Days in which a key that was deleted can be had back, the longest that AWS has: without it no backup of a cluster's
Secrets can be read."""

DELETION_PROTECTION = True
"""A cluster is deleted by two steps, so that a wrong stack in a terminal is not enough."""

ZONAL_SHIFT = True
"""Traffic can be moved out of a zone that answers badly and is not down; it costs nothing until it is used."""

NODE_IMAGE = "AL2023"
"""Operating system of nodes: what EKS's own pages are about, with a shell for whoever has to look (by SSM)."""

NODE_DISK = 50
"""GiB of a node for images and logs. EKS's own 20 are full with a few large images, and pods are evicted then."""

HEALTH_CHECK_INTERVAL = 30
"""Seconds between two questions of a checker: Route 53 asks from many places, so that a region is asked every two
seconds or so anyway; every ten seconds costs three times as much."""

HEALTH_CHECK_FAILURES = 3
"""Questions in a row without an answer: one that is lost on its way takes no region out."""
