"""Whole stacks for properties: any that the models take, and the objects that they are rendered to."""

from typing import Any

import yaml
from hypothesis import strategies as st

from components.config import StackConfig
from components.resources.access import access_objects
from components.resources.egress import egress_objects
from components.resources.extensions import extension_objects
from components.resources.gateway import ingress_spec, istiod_objects
from components.resources.namespaces import scope_objects
from components.resources.objects import IstioObject, own_objects
from components.resources.routing import routing_objects
from components.resources.security import permissive_spec, policy_name
from components.resources.telemetry import mesh_telemetry
from components.resources.traffic import traffic_objects
from tests.builders import Yaml

ISSUERS: Yaml = {
    "exam": {
        "issuer": "https://auth.exam-platform.com",
        "jwksUri": "https://auth.exam-platform.com/.well-known/jwks.json",
        "audiences": ["exam-platform-api"],
    }
}

EXAM: Yaml = yaml.safe_load("""
gateways:
  ingress:
    servers:
      - hosts: [exam-platform.com]
        tls: {existingSecret: exam-platform-tls}
      - hosts: [api.exam-platform.com]
        tls: {existingSecret: api-tls}
security:
  permissive:
    - {namespace: exam, workload: {app: legacy-metrics}, ports: [8081]}
issuers:
  exam:
    issuer: https://auth.exam-platform.com
    jwksUri: https://auth.exam-platform.com/.well-known/jwks.json
    audiences: [exam-platform-api]
services:
  exam/web-frontend:
    ports: {http: 8080}
    hosts: [exam-platform.com]
  exam/api-service:
    ports: {http: 8080}
    versions: [stable, canary]
    hosts: [{host: api.exam-platform.com, paths: [/api/v1/*]}]
    callers: [exam/web-frontend]
    canary: {to: canary, percent: 10}
    access: {jwt: {issuers: [exam]}}
    rateLimit: {requests: 100, per: 60s}
  exam/exam-service:
    ports: {http: 8080, grpc: 9090}
    versions: [v1, v2]
    callers: [exam/web-frontend, exam/api-service]
    routes:
      - {match: {headers: {user-type: premium}}, version: v2}
      - {match: {path: /api/v1/*}, weights: {v1: 90, v2: 10}, timeout: 5s}
    failover: {use1: usw2, usw2: use1}
    maxRequestBody: 1Mi
  exam/admin-service:
    ports: {http: 8080}
    callers: [exam/web-frontend]
    access: {jwt: {issuers: [exam]}, roles: {admin: [/admin/*]}, public: [/health]}
  exam/results:
    ports: {tcp: 5432}
    regions: [usw2]
    callers: [exam/exam-service]
telemetry:
  metrics:
    tags:
      request_protocol: {attribute: request.protocol, absent: unknown}
      user_type: {header: user-type, values: [premium, standard], absent: anonymous}
      exam_session: {header: exam-session-id}
  tracing:
    collector: {host: sink.outside.svc.cluster.local, port: 4317}
    sampling: 10
    tags: {user_id: {header: x-user-id}, exam_type: {header: x-exam-type}, geographic_region: {header: x-region}}
extensions:
  wasm:
    exam-integrity-filter:
      url: oci://registry.example.com/exam-integrity:1.0
      sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
      services: [exam/exam-service]
      configuration: {suspicious_behavior_threshold: 5, lockdown_duration: 300s}
objects:
  - kind: EnvoyFilter
    name: larger-headers
    namespace: exam
    spec: {workloadSelector: {labels: {app: web-frontend}}, priority: 10}
""")
"""The exam platform as a stack says it."""


def rendered(stack: StackConfig, cluster: str = "use1") -> list[IstioObject]:
    """Every object of Istio's that the stack has in that cluster."""
    platform = stack.configured
    regions = {entry.name: entry.region for entry in stack.clusters}
    servers = stack.gateways.ingress.servers
    return [
        *([IstioObject("Gateway", "istio-ingress", "ingress", ingress_spec(servers))] if servers else []),
        *(
            IstioObject("PeerAuthentication", entry.namespace, policy_name(entry), permissive_spec(entry))
            for entry in stack.security.permissive
        ),
        *access_objects(
            platform,
            cluster,
            issuers=stack.issuers,
            security=stack.security,
            trust_domain=stack.trust.trust_domain,
        ),
        *egress_objects(platform, cluster),
        *scope_objects(platform, cluster, stack.telemetry.hosts),
        *traffic_objects(platform, cluster, regions),
        *(found for found, _ in routing_objects(platform, cluster)),
        mesh_telemetry(stack.telemetry),
        *extension_objects(stack.extensions, platform.running(cluster)),
        *own_objects(stack.objects, cluster),
        *(istiod_objects(stack.mesh, cluster) if len(stack.served.get(cluster, ())) > 1 else []),
    ]


_NAMES = ["exam/api", "exam/web", "exam/grade", "store/results"]
_PORTS = [{"http": 8080}, {"http": 80, "grpc": 9090}, {"http": 80, "http-control": 81, "tcp": 82}, {"tcp": 5432}]
_PATHS = st.lists(st.sampled_from(["/admin/*", "/audit/*", "/users/me", "/reports"]), min_size=1, unique=True)


@st.composite
def _service(draw: st.DrawFn) -> Yaml:
    ports = draw(st.sampled_from(_PORTS))
    service: Yaml = {"ports": ports, "callers": draw(st.lists(st.sampled_from(_NAMES), unique=True))}

    def say(key: str, values: st.SearchStrategy[Any], *, unless: bool = False) -> None:
        if not unless and draw(st.booleans()):
            service[key] = draw(values)

    http = "http" in ports
    versions = draw(st.sampled_from([[], ["v1", "v2"]]))
    if versions:
        service["versions"] = versions
    say("account", st.just("runner"))
    say("workload", st.just({"tier": "back"}))
    say("regions", st.sampled_from([["use1"], ["usw2"], ["use1", "usw2"]]))
    say("canary", st.builds(lambda n: {"to": "v2", "percent": n}, st.integers(1, 99)), unless=not versions)
    if "canary" in service and draw(st.booleans()):
        # Said, it need not be one of two.
        service["versions"] = ["v1", "v2", "v3"]
        service["canary"]["from"] = "v1"
    say("stream", st.just(True), unless=not http)
    say("idleTimeout", st.sampled_from(["5m", "2h"]), unless="stream" not in service)
    say("timeout", st.sampled_from(["1s", "30s"]), unless=not http or "stream" in service)
    say("rateLimit", st.builds(lambda n: {"requests": n, "per": "60s"}, st.integers(1, 2**32 - 1)), unless=not http)
    say("maxRequestBody", st.sampled_from(["1Ki", "1Mi", "3G"]), unless=not http or "stream" in service)
    if http and draw(st.booleans()):
        roles = draw(st.dictionaries(st.sampled_from(["admin", "auditor"]), _PATHS, max_size=2))
        public = draw(st.lists(st.sampled_from(["/health", "/metrics", "/status/*"]), unique=True))
        service["access"] = {"jwt": {"issuers": ["exam"]}, "roles": roles, "public": public}
    return service


@st.composite
def stacks(draw: st.DrawFn) -> Yaml:
    """Changes of the minimal stack: services of all shapes, and what they need."""
    services: dict[str, Yaml] = {
        name: draw(_service()) for name in draw(st.lists(st.sampled_from(_NAMES), unique=True))
    }
    for service in services.values():
        service["callers"] = [caller for caller in service["callers"] if caller in services]
        if "workload" in service:
            # No two services have the same pods.
            service["workload"] = {"tier": f"back-{len(str(service))}", "app": str(id(service))}
    asks = any("access" in service for service in services.values())
    return {
        "services": services,
        "issuers": ISSUERS if asks else {},
        "gateways": {},
        "telemetry": {"accessLogs": {"enabled": draw(st.booleans())}},
    }
