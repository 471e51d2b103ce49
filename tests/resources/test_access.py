"""Who may call what: whole objects compared, and what the rules decide for a table of requests."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config import StackConfig
from components.resources.access import Access, access_objects, expand
from components.resources.objects import IstioObject
from tests import builders, mocks, rooms

ISSUER = {
    "issuer": "https://auth.exam-platform.com",
    "jwksUri": "https://auth.exam-platform.com/jwks.json",
    "audiences": ["exam-platform-api"],
}
SERVICES: dict[str, Any] = {
    "exam/exam-service": {
        "ports": {"http": 8080, "grpc": 9090},
        "callers": ["exam/web-frontend"],
        "hosts": ["exam-platform.com"],
        "access": {"jwt": {"issuers": ["exam"]}, "roles": {"admin": ["/admin/*"]}},
    },
    "exam/web-frontend": {"ports": {"http": 8080}, "account": "frontend"},
    "store/results": {"ports": {"tcp": 5432}, "callers": ["exam/exam-service"], "regions": ["use1"]},
}


def config(folder: Path, services: dict[str, Any] | None = None, **changes: Any) -> StackConfig:
    return builders.stack_config(
        folder, **{"services": services or SERVICES, "issuers": {"exam": ISSUER}, "gateways": GATEWAYS, **changes}
    )


GATEWAYS = {"ingress": {"servers": [{"hosts": ["exam-platform.com"], "tls": {"existingSecret": "tls"}}]}}


def objects(stack: StackConfig, cluster: str = "use1") -> dict[tuple[str, str], Any]:
    found = access_objects(
        stack.platform,
        cluster,
        issuers=stack.issuers,
        security=stack.security,
        trust_domain=stack.trust.trust_domain,
    )
    return {(f"{entry.namespace}/{entry.name}", entry.kind): entry.spec for entry in found}


@pytest.fixture
def stack(tmp_path: Path) -> StackConfig:
    return config(tmp_path)


def test_every_namespace_denies_and_every_service_allows_its_callers_alone(stack: StackConfig) -> None:
    found = objects(stack)
    del found["exam/exam-service.path-guard", "EnvoyFilter"]
    assert found == {
        tuple(key.split()): value
        for key, value in yaml.safe_load("""
exam/default.deny AuthorizationPolicy: {}
store/default.deny AuthorizationPolicy: {}
exam/exam-service RequestAuthentication:
  selector: {matchLabels: {app: exam-service}}
  jwtRules:
    - issuer: https://auth.exam-platform.com
      jwksUri: https://auth.exam-platform.com/jwks.json
      audiences: [exam-platform-api]
      forwardOriginalToken: false
exam/exam-service AuthorizationPolicy:
  selector: {matchLabels: {app: exam-service}}
  action: ALLOW
  rules:
    - from:
        - source:
            principals: &callers
              - exam-platform.local/ns/exam/sa/frontend
              - exam-platform.local/ns/istio-ingress/sa/istio-ingress
            requestPrincipals: [https://auth.exam-platform.com/*]
      to: [{operation: {notPaths: [/admin, /admin/*]}}]
    - from: [{source: {principals: *callers, requestPrincipals: [https://auth.exam-platform.com/*]}}]
      to: [{operation: {paths: [/admin, /admin/*]}}]
      when: [{key: "request.auth.claims[roles]", values: [admin]}]
    - from: [{source: {principals: [exam-platform.local/*]}}]
      to: [{operation: {paths: [/health, /metrics]}}]
exam/web-frontend AuthorizationPolicy:
  selector: {matchLabels: {app: web-frontend}}
  action: ALLOW
  rules:
    - from: [{source: {principals: [exam-platform.local/*]}}]
      to: [{operation: {paths: [/health, /metrics]}}]
store/results AuthorizationPolicy:
  selector: {matchLabels: {app: results}}
  action: ALLOW
  rules:
    - from: [{source: {principals: [exam-platform.local/ns/exam/sa/exam-service]}}]
""").items()
    }


def test_a_service_has_its_policy_only_where_it_runs(stack: StackConfig) -> None:
    there = objects(stack, "usw2")
    assert ("store/results", "AuthorizationPolicy") not in there
    assert ("exam/exam-service", "AuthorizationPolicy") in there


def test_a_service_that_nobody_may_call_and_has_no_open_path_is_left_to_the_default_deny(tmp_path: Path) -> None:
    lonely = config(tmp_path, {"exam/store": {"ports": {"tcp": 5432}}}, issuers={}, gateways={})
    assert list(objects(lonely)) == [("exam/default.deny", "AuthorizationPolicy")]


def test_a_token_is_not_asked_for_on_a_port_without_requests(tmp_path: Path) -> None:
    """An ALLOW rule with a token never holds on a TCP port, and its callers would be shut out."""
    services = {
        **SERVICES,
        "exam/exam-service": {**SERVICES["exam/exam-service"], "ports": {"http": 8080, "tcp": 9000}},
    }
    rules = objects(config(tmp_path, services))["exam/exam-service", "AuthorizationPolicy"]["rules"]
    assert [rule["from"][0]["source"] for rule in rules if "ports" in str(rule)] == [
        {
            "principals": [
                "exam-platform.local/ns/exam/sa/frontend",
                "exam-platform.local/ns/istio-ingress/sa/istio-ingress",
            ]
        }
    ]
    assert rules[2]["to"] == [{"operation": {"ports": ["9000"]}}]


def test_issuers_keep_their_roles_in_claims_of_their_own(tmp_path: Path) -> None:
    services = {"exam/api": {"ports": {"http": 80}, "callers": ["exam/api"], "access": {}}}
    services["exam/api"]["access"] = {"jwt": {"issuers": ["one", "two"]}, "roles": {"admin": ["/admin/*"]}}
    two = {**ISSUER, "issuer": "https://two.example.com", "rolesClaim": "realm_access.roles"}
    stack = config(tmp_path, services, issuers={"two": two, "one": ISSUER}, gateways={})
    rules = objects(stack)["exam/api", "AuthorizationPolicy"]["rules"]
    by_claim = {
        rule["when"][0]["key"]: rule["from"][0]["source"]["requestPrincipals"] for rule in rules if "when" in rule
    }
    assert by_claim == {
        "request.auth.claims[roles]": ["https://auth.exam-platform.com/*"],
        "request.auth.claims[realm_access][roles]": ["https://two.example.com/*"],
    }


def test_a_role_on_every_path_leaves_nothing_to_a_token_without_it(tmp_path: Path) -> None:
    services = {"exam/api": {"ports": {"http": 80}, "callers": ["exam/api"], "access": {}}}
    services["exam/api"]["access"] = {"jwt": {"issuers": ["exam"]}, "roles": {"staff": ["/*"]}, "public": []}
    rules = objects(config(tmp_path, services, gateways={}))["exam/api", "AuthorizationPolicy"]["rules"]
    assert [rule["to"] for rule in rules] == [[{"operation": {"paths": ["/*"]}}]]
    assert rules[0]["when"] == [{"key": "request.auth.claims[roles]", "values": ["staff"]}]


def test_of_two_roles_paths_the_narrower_one_counts(tmp_path: Path) -> None:
    services = {"exam/api": {"ports": {"http": 80}, "callers": ["exam/api"], "access": {}}}
    roles = {"staff": ["/*"], "admin": ["/admin/*", "/admin/audit/*"], "auditor": ["/admin/audit/*"]}
    services["exam/api"]["access"] = {"jwt": {"issuers": ["exam"]}, "roles": roles, "public": []}
    rules = objects(config(tmp_path, services, gateways={}))["exam/api", "AuthorizationPolicy"]["rules"]
    assert {rule["when"][0]["values"][0]: rule["to"] for rule in rules} == {
        "staff": [
            {"operation": {"paths": ["/*"], "notPaths": ["/admin", "/admin/*", "/admin/audit", "/admin/audit/*"]}}
        ],
        "admin": [
            {"operation": {"paths": ["/admin", "/admin/*"]}},
            {"operation": {"paths": ["/admin/audit", "/admin/audit/*"]}},
        ],
        "auditor": [{"operation": {"paths": ["/admin/audit", "/admin/audit/*"]}}],
    }


def test_inline_keys_and_own_audiences_reach_the_proxies(tmp_path: Path) -> None:
    key = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    issuer = {"issuer": "exam", "jwks": {"keys": [key]}, "audiences": ["b", "a"], "forwardToken": True}
    services = {"exam/api": {"ports": {"http": 80}, "access": {"jwt": {"issuers": ["exam"], "audiences": ["c"]}}}}
    stack = config(tmp_path, services, issuers={"exam": issuer}, gateways={})
    (rule,) = objects(stack)["exam/api", "RequestAuthentication"]["jwtRules"]
    assert json.loads(rule.pop("jwks")) == {"keys": [key]}
    assert rule == {"issuer": "exam", "audiences": ["c"], "forwardOriginalToken": True}


def test_an_exception_from_mutual_tls_stays_reachable_without_an_identity(tmp_path: Path) -> None:
    permissive = [{"namespace": "exam", "workload": {"app": "legacy-metrics"}, "ports": [8081]}]
    found = objects(config(tmp_path, security={"permissive": permissive}))
    assert found["exam/permissive-legacy-metrics-00db7c", "AuthorizationPolicy"] == {
        "selector": {"matchLabels": {"app": "legacy-metrics"}},
        "action": "ALLOW",
        "rules": [{"to": [{"operation": {"ports": ["8081"]}}]}],
    }


def test_the_order_of_the_file_changes_nothing(tmp_path: Path) -> None:
    turned = {key: dict(reversed(value.items())) for key, value in reversed(SERVICES.items())}
    assert list(objects(config(tmp_path)).items()) == list(objects(config(tmp_path, turned)).items())


@pytest.mark.parametrize(
    ("patterns", "expanded"),
    [
        (["/health"], ["/health"]),
        (["/admin/*"], ["/admin", "/admin/*"]),
        (["/*"], ["/*"]),
        (["/b/*", "/a"], ["/a", "/b", "/b/*"]),
    ],
)
def test_a_pattern_covers_the_path_itself_and_all_below(patterns: list[str], expanded: list[str]) -> None:
    assert expand(patterns) == expanded


# What Istio makes of the rules, for one service whose callers are the front end and the ingress.
FRONTEND = "exam-platform.local/ns/exam/sa/frontend"
TOKEN, ADMIN = {"iss": ISSUER["issuer"]}, {"iss": ISSUER["issuer"], "roles": ["admin", "staff"]}
REQUESTS: list[tuple[str, dict[str, Any] | None, str, bool]] = [
    (FRONTEND, None, "/", False),
    (FRONTEND, TOKEN, "/", True),
    (FRONTEND, None, "/health", True),
    (FRONTEND, None, "/health/x", False),
    (FRONTEND, TOKEN, "/admin", False),
    (FRONTEND, TOKEN, "/admin/", False),
    (FRONTEND, TOKEN, "/admin/users", False),
    (FRONTEND, TOKEN, "/administer", True),
    (FRONTEND, ADMIN, "/admin/users", True),
    (FRONTEND, {"iss": "https://other.example.com", "roles": ["admin"]}, "/admin/users", False),
    ("exam-platform.local/ns/istio-ingress/sa/istio-ingress", TOKEN, "/", True),
    ("exam-platform.local/ns/outside/sa/frontend", ADMIN, "/", False),
    ("exam-platform.local/ns/outside/sa/frontend", None, "/health", True),
    ("elsewhere.local/ns/exam/sa/frontend", ADMIN, "/", False),
    ("elsewhere.local/ns/exam/sa/frontend", None, "/health", False),
]


@pytest.mark.parametrize(("caller", "token", "path", "passes"), REQUESTS)
def test_a_request_passes_or_not(
    stack: StackConfig, caller: str, token: dict[str, Any] | None, path: str, passes: bool
) -> None:
    rules = objects(stack)["exam/exam-service", "AuthorizationPolicy"]["rules"]
    assert any(_allows(rule, caller, token, path) for rule in rules) is passes


def _allows(rule: dict[str, Any], caller: str, token: dict[str, Any] | None, path: str) -> bool:
    """Istio's reading of a rule (istio.io: AuthorizationPolicy): exact, or up to a `*` at the end."""
    source = rule["from"][0]["source"]
    operation = rule.get("to", [{"operation": {}}])[0]["operation"]
    subject = f"{token['iss']}/somebody" if token else ""
    return (
        _match(source["principals"], caller)
        and ("requestPrincipals" not in source or (token is not None and _match(source["requestPrincipals"], subject)))
        and ("paths" not in operation or _match(operation["paths"], path))
        and ("notPaths" not in operation or not _match(operation["notPaths"], path))
        and all(set(when["values"]) & set((token or {}).get("roles", [])) for when in rule.get("when", []))
    )


def _match(patterns: list[str], value: str) -> bool:
    return any(value.startswith(p[:-1]) if p.endswith("*") else value == p for p in patterns)


def test_policies_come_after_istiod_and_their_namespace(stack: StackConfig) -> None:
    def program() -> None:
        mesh = rooms.mesh(stack)
        for cluster in mesh.clusters:
            Access(
                f"{cluster.name}-access",
                stack.platform,
                issuers=stack.issuers,
                security=stack.security,
                trust=stack.trust,
                mesh=stack.mesh,
                cluster=cluster,
                namespaces={},
                depends_on=mesh.control_planes[cluster.name].ready,
            )

    done = mocks.run(program)
    policy = done.named("usw2-access-exam.exam-service", "AuthorizationPolicy")
    assert policy.provider == "usw2-provider"
    assert policy.parent == "usw2-access"
    assert "usw2-mesh-istiod-1-31" in policy.dependencies
    assert policy.inputs["metadata"]["labels"]["app.kubernetes.io/component"] == "access"
    assert not [name for name in done.names if name == "usw2-access-store.results"], "it runs in use1 alone"


def test_an_object_says_its_own_version() -> None:
    manifest = IstioObject("EnvoyFilter", "exam", "a", {"x": 1}).manifest({"app": "b"})
    assert manifest == {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "a", "namespace": "exam", "labels": {"app": "b"}},
        "spec": {"x": 1},
    }
