"""Which objects a service turns into, and by which words: for the reference, and held to the builders by its tests."""

from dataclasses import dataclass

EVERY = "every service"
"""In place of words: nothing has to be said for it."""


@dataclass(frozen=True)
class Made:
    """One kind of object."""

    kind: str
    namespace: str
    name: str
    """`<service>`, `<host>`, `<module>`, `<entry>`, `<namespace>` stand for what the stack calls them."""
    words: tuple[str, ...]
    """Keys of the service by which it is made or changed, or of another value with its whole path."""
    where: str
    """The clusters that have it."""
    purpose: str


_RUNS = "runs"
_RUNS_OR_CALLED = "runs or is called from"

MADE = (
    Made(
        "Namespace", "", "<namespace>", (EVERY,), _RUNS_OR_CALLED,
        "where its pods are; with the label by which they get their proxies",
    ),
    Made(
        "Service", "<namespace>", "<service>", ("regions", "callers", "hosts"), "is called from and does not run",
        "callers' DNS knows the name, and their proxies the other regions; where it runs, the Service is its own",
    ),
    Made(
        "AuthorizationPolicy", "<namespace>", "default.deny", (EVERY,), _RUNS_OR_CALLED,
        "refuses what no other policy allows",
    ),
    Made(
        "AuthorizationPolicy", "<namespace>", "<service>",
        ("callers", "hosts", "access.jwt", "access.roles", "access.public"), _RUNS,
        "lets in the declared callers, and the ingress for its hosts, with what they have to show",
    ),
    Made(
        "RequestAuthentication", "<namespace>", "<service>", ("access.jwt",), _RUNS,
        "how tokens are verified",
    ),
    Made(
        "EnvoyFilter", "<namespace>", "<service>.path-guard", ("access.roles",), _RUNS,
        "refuses other spellings of the paths that need a role",
    ),
    Made(
        "VirtualService", "<namespace>", "<service>",
        ("routes", "canary", "blueGreen", "timeout", "stream", "retries"), _RUNS_OR_CALLED,
        "which requests of callers in the mesh go to which version, and on what terms",
    ),
    Made(
        "VirtualService", "istio-ingress", "<host>",
        ("hosts", "routes", "canary", "blueGreen", "timeout", "stream", "retries"), "is in the mesh",
        "the same for requests from outside, one for each public host",
    ),
    Made(
        "DestinationRule", "<namespace>", "<service>",
        ("versions", "traffic", "failover", "distribute"), _RUNS_OR_CALLED,
        "versions, connections, failing endpoints and other regions, all in one object",
    ),
    Made(
        "EnvoyFilter", "<namespace>", "<service>.stream-idle", ("stream", "idleTimeout"), _RUNS,
        "ends silent streams",
    ),
    Made(
        "EnvoyFilter", "<namespace>", "<service>.rate-limit", ("rateLimit",), _RUNS,
        "answers 429 above the limit, in the proxy of each pod",
    ),
    Made(
        "EnvoyFilter", "<namespace>", "<service>.request-body", ("maxRequestBody",), _RUNS,
        "answers 413 above the size",
    ),
    Made(
        "Sidecar", "<namespace>", "<service>.scope",
        ("callers of other services", "egress.callers", "telemetry.tracing"), _RUNS,
        "what its proxies know: what it calls, and no more",
    ),
    Made(
        "Sidecar", "<namespace>", "default", (EVERY,), _RUNS,
        "what the namespace's other pods know: their own namespace",
    ),
    Made(
        "ServiceEntry", "istio-system", "<entry>", ("egress",), "runs, for one of its callers",
        "a service outside the mesh, shown to its callers' namespaces",
    ),
    Made(
        "WasmPlugin", "<namespace>", "<module>.<service>", ("extensions.wasm",), _RUNS,
        "the module in its proxies",
    ),
    Made(
        "Telemetry", "istio-system", "mesh", ("telemetry",), "is in the mesh",
        "tags, traces and access logs of the whole mesh",
    ),
    Made(
        "Gateway", "istio-ingress", "ingress", ("gateways.ingress.servers",), "is in the mesh",
        "the public hosts with their certificates",
    ),
    Made(
        "PeerAuthentication", "<namespace>", "permissive-<labels>", ("security.permissive",), "is in the mesh",
        "the ports of a workload that take plain text",
    ),
    Made(
        "AuthorizationPolicy", "<namespace>", "permissive-<labels>", ("security.permissive",), "is in the mesh",
        "lets everybody reach those ports, in a namespace of services",
    ),
)  # fmt: skip
"""In the order in which a reader of `istioctl` asks for them."""
