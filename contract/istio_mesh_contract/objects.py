"""Istio's objects for a consumer's services, as specs. Pure.

Their figures are those that the platform has for its own services, each with its reason in docs/reference/defaults.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Spec = dict[str, Any]

TIMEOUT = "15s"
"""Of a request with all its tries: Istio has none."""

RETRIES: Spec = {
    "attempts": 2,
    # The request has never reached the application, so that any method may be sent again.
    "retryOn": "connect-failure,refused-stream,reset-before-request",
    "retryRemoteLocalities": True,
}

LABELS = {"app.kubernetes.io/managed-by": "pulumi", "app.kubernetes.io/created-by": "istio-mesh-contract"}
"""Of every object that the package makes."""

API = {
    "AuthorizationPolicy": "security.istio.io/v1",
    "DestinationRule": "networking.istio.io/v1",
    "PeerAuthentication": "security.istio.io/v1",
    "VirtualService": "networking.istio.io/v1",
}
"""The version of each kind that istiod serves without deprecation."""


def host_of(namespace: str, name: str) -> str:
    """The DNS name of a service in every cluster."""
    return f"{name}.{namespace}.svc.cluster.local"


def strict() -> Spec:
    """Mutual TLS alone, whatever the mesh's own policy comes to say."""
    return {"mtls": {"mode": "STRICT"}}


def default_deny() -> Spec:
    """Refuses all that no other policy allows: one that allows (the default action) and has no rule."""
    return {}


def destination_rule(host: str, requests: Sequence[int], *, crossing: bool) -> Spec:
    """How callers treat the service: bounded connections, and endpoints that fail left alone, up to the last local one,
    so that the other region's answer.

    `requests`: ports whose requests proxies see; `crossing`: whether there are other regions. Connections for requests
    then end after a minute, so that none is on a pod of a region's gateway when that ends. It has to stand with each
    port: above them it would cut connections, whatever is under way on them.
    """
    policy = _policy(life=False)
    if crossing and requests:
        policy["portLevelSettings"] = [{"port": {"number": port}, **_policy(life=True)} for port in sorted(requests)]
    return {"host": host, "trafficPolicy": policy}


def _policy(*, life: bool) -> Spec:
    return {
        "connectionPool": {
            "tcp": {
                "maxConnections": 1024,
                "connectTimeout": "5s",
                "tcpKeepalive": {"time": "60s"},
                **({"maxConnectionDuration": "60s"} if life else {}),
            },
            "http": {"http1MaxPendingRequests": 256, "http2MaxRequests": 1024, "maxRetries": 3, "idleTimeout": "60s"},
        },
        "loadBalancer": {"simple": "LEAST_REQUEST"},
        "outlierDetection": {
            "consecutive5xxErrors": 5,
            "interval": "10s",
            "baseEjectionTime": "30s",
            "maxEjectionPercent": 100,
        },
    }


def mesh_route(host: str, ports: Sequence[int], timeout: str) -> Spec:
    """The route of callers within the mesh, a route a port where there are several."""
    return {
        "hosts": [host],
        "http": [
            {
                **({"match": [{"port": port}]} if len(ports) > 1 else {}),
                "route": [{"destination": {"host": host, **({"port": {"number": port}} if len(ports) > 1 else {})}}],
                "timeout": timeout,
                "retries": RETRIES,
            }
            for port in sorted(ports)
        ],
    }


def public_route(public: str, gateway: str, paths: Sequence[str], *, host: str, port: int, timeout: str) -> Spec:
    """The route of a public host's paths to the service; of two paths the narrower one stands first."""
    matches = [match for path in sorted(paths, key=lambda path: (-len(_base(path)), path)) for match in _match(path)]
    return {
        "hosts": [public],
        "gateways": [gateway],
        # Nobody but the ingress has a use for it: sidecars are spared it.
        "exportTo": [gateway.partition("/")[0]],
        "http": [
            {
                **({} if "/*" in paths else {"match": matches}),
                # The port is said always: else requests would go to that of the gateway's listener.
                "route": [{"destination": {"host": host, "port": {"number": port}}}],
                "timeout": timeout,
                "retries": RETRIES,
            }
        ],
    }


def allow(workload: Mapping[str, str], principal: str) -> Spec:
    """Lets one identity call a workload."""
    return {
        "selector": {"matchLabels": dict(sorted(workload.items()))},
        "action": "ALLOW",
        "rules": [{"from": [{"source": {"principals": [principal]}}]}],
    }


def _base(path: str) -> str:
    return path.removesuffix("/*")


def _match(path: str) -> list[Spec]:
    """`/shop/*` is `/shop` and all below it."""
    base = _base(path)
    exact = {"uri": {"exact": base}}
    return [exact] if base == path else [exact, {"uri": {"prefix": f"{base}/"}}]
