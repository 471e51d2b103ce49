"""Every default of a service that is a decision, with its reason.

Sizes of the mesh's own pods stand beside their models (`mesh.py`, `gateways.py`), since they follow the size of a
mesh; what is here is what an operator would otherwise learn from an incident.
"""

from components.config.values import Duration, ShortDuration

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

# Egress.

EGRESS_MODE = "REGISTRY_ONLY"
"""A host that nobody declared is refused: a stolen pod cannot send its loot anywhere, and a list of what the platform
depends on exists."""

# Access.

PUBLIC_PATHS = ("/health", "/metrics")
"""What monitoring asks without a token. Open to workloads of the mesh, so also to the ingress for
the hosts that it routes to a service: name `public: [/health]` where the figures are nobody's business."""

ROLES_CLAIM = "roles"
"""Where most issuers put the roles of who calls; Keycloak's is `realm_access.roles`."""

# Telemetry.

SAMPLING = 1.0
"""Percent of requests that are traced, Istio's own default: enough to see where time goes, and a hundredth of what
tracing everything costs in collectors and proxies."""

LOG_STATUS_FROM = 500
"""Status from which a request is logged: what is the platform's fault. Clients' own (400 to 499) are in the metrics."""

LOG_SLOWER_THAN = Duration.parse("1s")
"""Time above which a request is logged: what people call slow."""

ABSENT = "none"
"""Value of a tag whose header is not there."""

# istiod.

JWKS_REFRESH = Duration.parse("5m")
"""How often issuers' keys are fetched. istiod's own 20 min are longer than many issuers publish a
new key ahead; one small request every five minutes costs nothing."""

BLOCKED_JWKS_RANGES = ("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10", "fd00:ec2::254/128")
"""The machine's own addresses and those of cloud metadata (AWS: 169.254.169.254, fd00:ec2::254): whoever may write a
RequestAuthentication could let istiod ask there (istioctl analyze IST0175)."""
