"""The mesh's Telemetry: the whole object, and each of its expressions compiled and evaluated."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config import StackConfig
from components.mesh import values
from components.resources.telemetry import MeshTelemetry, mesh_telemetry
from tests import builders, mocks, rooms
from tests.cel import evaluate

EXAM = {
    "metrics": {
        "tags": {
            "request_protocol": {"attribute": "request.protocol", "absent": "unknown"},
            "user_type": {"header": "user-type", "values": ["premium", "standard"], "absent": "anonymous"},
            "exam_session": {"header": "exam-session-id"},
        }
    },
    "tracing": {
        "collector": {"host": "sink.outside.svc.cluster.local", "port": 4317},
        "sampling": 10,
        "tags": {
            "user_id": {"header": "x-user-id"},
            "exam_type": {"header": "x-exam-type"},
            "geographic_region": {"header": "x-region", "default": "unknown"},
        },
    },
    "accessLogs": {"slowerThan": "2s"},
}


GRPC = {"content-type": "application/grpc+proto"}


def config(folder: Path, telemetry: dict[str, Any], **changes: Any) -> StackConfig:
    return builders.stack_config(folder, telemetry=telemetry, **changes)


def test_tags_filters_and_providers_stand_in_one_entry_each(tmp_path: Path) -> None:
    found = mesh_telemetry(config(tmp_path, EXAM).telemetry)
    assert (found.namespace, found.name) == ("istio-system", "mesh")
    assert found.spec == yaml.safe_load("""
metrics:
  - providers: [{name: prometheus}]
    overrides:
      - match: {metric: ALL_METRICS}
        tagOverrides:
          exam_session:
            operation: UPSERT
            value: "'exam-session-id' in request.headers ? 'present' : 'absent'"
          request_protocol:
            operation: UPSERT
            value: "has(request.protocol) ? request.protocol : 'unknown'"
          user_type:
            operation: UPSERT
            value: >-
              'user-type' in request.headers ? (request.headers['user-type'] == 'premium' ||
              request.headers['user-type'] == 'standard' ? request.headers['user-type'] : 'other') : 'anonymous'
accessLogging:
  - providers: [{name: envoy}]
    filter:
      expression: >-
        has(request.method) && (!has(response.code) || response.code >= 500 || request.duration > duration('2s') ||
        ('content-type' in request.headers && request.headers['content-type'].startsWith('application/grpc') &&
        response.grpc_status in [2, 4, 12, 13, 14, 15]))
tracing:
  - providers: [{name: tracing}]
    randomSamplingPercentage: 10.0
    customTags:
      exam_type: {header: {name: x-exam-type}}
      geographic_region: {header: {name: x-region, defaultValue: unknown}}
      user_id: {header: {name: x-user-id}}
    """)


def test_a_stack_that_says_nothing_logs_failures_and_slow_requests_and_traces_nothing(tmp_path: Path) -> None:
    spec = mesh_telemetry(config(tmp_path, {}).telemetry).spec
    assert spec["metrics"] == [{"providers": [{"name": "prometheus"}]}]
    assert "response.code >= 500" in spec["accessLogging"][0]["filter"]["expression"]
    assert "duration('1s')" in spec["accessLogging"][0]["filter"]["expression"]
    assert "tracing" not in spec


def test_access_logs_can_be_switched_off(tmp_path: Path) -> None:
    spec = mesh_telemetry(config(tmp_path, {"accessLogs": {"enabled": False}}).telemetry).spec
    assert spec["accessLogging"] == [{"providers": [{"name": "envoy"}], "disabled": True}]


@pytest.mark.parametrize(
    ("tag", "headers", "told"),
    [
        ({"header": "user-type", "values": ["premium"], "absent": "anonymous"}, {"user-type": "premium"}, "premium"),
        ({"header": "user-type", "values": ["premium"], "absent": "anonymous"}, {"user-type": "x' || 1"}, "other"),
        ({"header": "user-type", "values": ["premium"], "absent": "anonymous"}, {}, "anonymous"),
        ({"header": "exam-session-id"}, {"exam-session-id": "4711"}, "present"),
        ({"header": "exam-session-id"}, {}, "absent"),
        ({"header": "exam-session-id", "raw": True}, {"exam-session-id": "4711"}, "4711"),
        ({"header": "exam-session-id", "raw": True}, {}, "none"),
    ],
)
def test_a_tag_is_what_its_expression_says(
    tmp_path: Path, tag: dict[str, Any], headers: dict[str, str], told: str
) -> None:
    stack = config(tmp_path, {"metrics": {"tags": {"tag": tag}}})
    assert evaluate(stack.telemetry.metrics.tags["tag"].expression, {"headers": headers}) == told


def test_an_attribute_is_told_where_there_is_one(tmp_path: Path) -> None:
    tag = config(tmp_path, EXAM).telemetry.metrics.tags["request_protocol"]
    assert evaluate(tag.expression, {"protocol": "HTTP/2"}) == "HTTP/2"
    assert evaluate(tag.expression, {"headers": {}}) == "unknown"


@pytest.mark.parametrize(
    ("request_", "response", "logged"),
    [
        ({"method": "GET", "duration": 0.1}, {"code": 200}, False),
        ({"method": "GET", "duration": 0.1}, {"code": 404}, False),
        ({"method": "GET", "duration": 0.1}, {"code": 503}, True),
        ({"method": "GET", "duration": 1.5}, {"code": 200}, True),
        ({"method": "GET", "duration": 0.1}, {}, True),
        ({"method": "GET", "duration": 0.1, "headers": {}}, {"code": 200, "grpc_status": 2}, False),
        ({"method": "POST", "duration": 0.1, "headers": GRPC}, {"code": 200, "grpc_status": 14}, True),
        ({"method": "POST", "duration": 0.1, "headers": GRPC}, {"code": 200, "grpc_status": 5}, False),
        ({"duration": 9.0}, {}, False),
    ],
)
def test_failed_and_slow_requests_are_logged_and_no_others(
    tmp_path: Path, request_: dict[str, Any], response: dict[str, Any], logged: bool
) -> None:
    expression = config(tmp_path, {}).telemetry.access_logs.expression
    given = {"headers": {}, **request_} if "method" in request_ else request_
    assert bool(evaluate(expression, given, response)) is logged


def istiod(stack: StackConfig) -> dict[str, Any]:
    return values.istiod_values(stack.mesh, stack.trust, cluster="use1", network="use1", declared=stack.declared)


@pytest.mark.parametrize(
    ("collector", "provider"),
    [
        ({"host": "c.observability.svc.cluster.local"}, {"opentelemetry": 4317}),
        ({"host": "c.observability.svc.cluster.local", "protocol": "zipkin"}, {"zipkin": 9411}),
        ({"host": "c.observability.svc.cluster.local", "protocol": "zipkin", "port": 80}, {"zipkin": 80}),
    ],
)
def test_the_collector_is_a_provider_of_istiods(
    tmp_path: Path, collector: dict[str, Any], provider: dict[str, int]
) -> None:
    stack = config(tmp_path, {"tracing": {"collector": collector}})
    ((kind, port),) = provider.items()
    assert istiod(stack)["meshConfig"]["extensionProviders"] == [
        {"name": "tracing", kind: {"service": "c.observability.svc.cluster.local", "port": port}}
    ]


def test_an_envoy_without_istios_extensions_is_given_no_filter_for_metrics(tmp_path: Path) -> None:
    """Telemetry names the provider; one of another kind makes no filter that this Envoy would refuse."""
    stack = config(tmp_path, EXAM, mesh={"id": "exam", "dataPlane": "upstream-envoy"})
    assert istiod(stack)["meshConfig"]["extensionProviders"][0] == {
        "name": "prometheus",
        "envoyFileAccessLog": {"path": "/dev/null"},
    }


def test_a_tag_without_bound_is_warned_about(tmp_path: Path) -> None:
    raw = {"metrics": {"tags": {"exam_session": {"header": "exam-session-id", "raw": True}}}}
    stack = config(tmp_path, raw)

    def program() -> None:
        mesh = rooms.mesh(stack)
        for cluster in mesh.clusters:
            MeshTelemetry(
                f"{cluster.name}-telemetry",
                stack.telemetry,
                mesh=stack.mesh,
                cluster=cluster,
                depends_on=mesh.control_planes[cluster.name].ready,
            )

    done = mocks.run(program)
    assert "use1-mesh-istiod-1-31" in done.named("use1-telemetry-istio-system.mesh").dependencies
    assert set(done.warnings()) == {
        "istio-mesh:telemetry.metrics.tags.exam_session: every value of the header `exam-session-id` becomes a time "
        "series in every proxy and in Prometheus. List its `values`, or leave `raw` out to tell its presence."
    }
