"""Limits of requests and Wasm modules: whole objects compared."""

from pathlib import Path
from typing import Any

import yaml

from components.config import StackConfig
from components.resources.extensions import Extensions, extension_objects
from tests import builders, mocks, rooms

SHA = "0123456789abcdef" * 4


def config(folder: Path, service: dict[str, Any], wasm: dict[str, Any] | None = None, **changes: Any) -> StackConfig:
    services = {"exam/api": {"ports": {"http": 8080, "grpc": 9090, "http-control": 8081, "tcp": 9000}, **service}}
    return builders.stack_config(folder, services=services, extensions={"wasm": wasm or {}}, gateways={}, **changes)


def objects(stack: StackConfig, cluster: str = "use1") -> dict[str, Any]:
    found = extension_objects(stack.extensions, stack.platform.running(cluster))
    return {f"{entry.kind} {entry.namespace}/{entry.name}": entry.spec for entry in found}


def test_a_rate_is_kept_by_each_proxy_on_every_port_with_requests(tmp_path: Path) -> None:
    stack = config(tmp_path, {"rateLimit": {"requests": 100, "per": "60s"}})
    assert objects(stack) == yaml.safe_load("""
EnvoyFilter exam/api.rate-limit:
  workloadSelector: {labels: {app: api}}
  priority: 20
  configPatches:
    - applyTo: HTTP_FILTER
      match:
        context: SIDECAR_INBOUND
        listener:
          filterChain:
            filter:
              name: envoy.filters.network.http_connection_manager
              subFilter: {name: envoy.filters.http.router}
      patch:
        operation: INSERT_BEFORE
        value:
          name: envoy.filters.http.local_ratelimit
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
            stat_prefix: http_local_rate_limiter
            token_bucket: {max_tokens: 100, tokens_per_fill: 100, fill_interval: 60s}
            filter_enabled:
              runtime_key: local_rate_limit_enabled
              default_value: {numerator: 100, denominator: HUNDRED}
            filter_enforced:
              runtime_key: local_rate_limit_enforced
              default_value: {numerator: 100, denominator: HUNDRED}
            response_headers_to_add:
              - append_action: OVERWRITE_IF_EXISTS_OR_ADD
                header: {key: x-local-rate-limit, value: "true"}
    """)


def test_a_body_is_limited_where_requests_have_an_end(tmp_path: Path) -> None:
    (spec,) = objects(config(tmp_path, {"maxRequestBody": "1Mi"})).values()
    assert spec["priority"] == 30
    matches = [patch["match"]["listener"]["filterChain"]["destinationPort"] for patch in spec["configPatches"]]
    assert matches == [8080, 8081], "a stream of gRPC would wait for its own end"
    assert {str(patch["patch"]["value"]) for patch in spec["configPatches"]} == {
        str(
            {
                "name": "envoy.filters.http.buffer",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
                    "max_request_bytes": 1_048_576,
                },
            }
        )
    }


def test_a_service_without_limits_has_no_filter(tmp_path: Path) -> None:
    assert objects(config(tmp_path, {})) == {}


def test_a_module_runs_for_requests_that_come_in_to_its_services(tmp_path: Path) -> None:
    module = {
        "url": "oci://registry.example.com/exam-integrity:1.0",
        "sha256": SHA,
        "services": ["exam/api"],
        "phase": "authz",
        "pullSecret": "registry",
        "configuration": {"suspicious_behavior_threshold": 5, "lockdown_duration": "300s"},
    }
    stack = config(tmp_path, {"workload": {"app": "api", "tier": "back"}}, {"exam-integrity-filter": module})
    assert objects(stack) == yaml.safe_load(f"""
WasmPlugin exam/exam-integrity-filter.api:
  selector: {{matchLabels: {{app: api, tier: back}}}}
  url: oci://registry.example.com/exam-integrity:1.0
  sha256: {SHA}
  pluginName: exam-integrity-filter
  phase: AUTHZ
  failStrategy: FAIL_CLOSE
  match: [{{mode: SERVER}}]
  imagePullSecret: registry
  imagePullPolicy: IfNotPresent
  pluginConfig: {{suspicious_behavior_threshold: 5, lockdown_duration: 300s}}
    """)


def test_a_module_of_a_file_is_after_istios_filters_and_may_let_pass(tmp_path: Path) -> None:
    module = {"url": "https://x.example.com/a.wasm", "sha256": SHA, "services": ["exam/api"], "onFailure": "pass"}
    assert objects(config(tmp_path, {}, {"a": module})) == {
        "WasmPlugin exam/a.api": {
            "selector": {"matchLabels": {"app": "api"}},
            "url": "https://x.example.com/a.wasm",
            "sha256": SHA,
            "pluginName": "a",
            "failStrategy": "FAIL_OPEN",
            "match": [{"mode": "SERVER"}],
        }
    }


def test_a_module_is_only_where_the_service_runs(tmp_path: Path) -> None:
    module = {"url": "https://x.example.com/a.wasm", "sha256": SHA, "services": ["exam/api"]}
    stack = config(tmp_path, {"regions": ["use1"], "rateLimit": {"requests": 1, "per": "1s"}}, {"a": module})
    assert objects(stack, "usw2") == {}
    assert len(objects(stack, "use1")) == 2


def test_filters_are_made_after_istiod(tmp_path: Path) -> None:
    stack = config(tmp_path, {"rateLimit": {"requests": 1, "per": "1s"}})

    def program() -> None:
        mesh = rooms.mesh(stack)
        for cluster in mesh.clusters:
            Extensions(
                f"{cluster.name}-extensions",
                stack.extensions,
                platform=stack.platform,
                mesh=stack.mesh,
                cluster=cluster,
                namespaces={},
                depends_on=mesh.control_planes[cluster.name].ready,
            )

    found = mocks.run(program).named("use1-extensions-exam.api.rate-limit")
    assert (found.provider, found.parent) == ("use1-provider", "use1-extensions")
    assert "use1-mesh-istiod-1-31" in found.dependencies
