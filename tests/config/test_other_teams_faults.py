"""What may be wrong with what a stack offers to other teams, and tells them."""

from pathlib import Path

import pytest

from tests.builders import Yaml, faults_of
from tests.services import services

SERVICE = 'istio-mesh:services["exam/exam-service"]'
DASHBOARDS = "istio-mesh:telemetry.dashboards"

CASES: list[tuple[str, Yaml, list[str]]] = [
    (
        "right",
        {
            "services": services(offeredTo=["shop", "billing"], callsOut=["shop"]),
            "telemetry": {"dashboards": {"grafana": "https://grafana.exam-platform.com/d/mesh?from=now-1h"}},
        },
        [],
    ),
    (
        "offered to a namespace of the stack",
        {"services": services(offeredTo=["shop", "exam"])},
        [
            f"{SERVICE}.offeredTo[1]: `exam` is a namespace of this stack. Whatever runs there would come by what one "
            "service needs. Name the services that call it in its `callers`."
        ],
    ),
    (
        "calling out to a namespace of the stack",
        {"services": services(callsOut=["exam"])},
        [
            f"{SERVICE}.callsOut[0]: `exam` is a namespace of this stack. Whatever runs there would come by what one "
            "service needs. Name it in the `callers` of those that it calls."
        ],
    ),
    (
        "a namespace twice",
        {"services": services(offeredTo=["shop", "shop"], callsOut=["billing", "billing"])},
        [
            f"{SERVICE}.offeredTo[1]: `shop` is named twice. One of them is a mistake. Name it once.",
            f"{SERVICE}.callsOut[1]: `billing` is named twice. One of them is a mistake. Name it once.",
        ],
    ),
    (
        "a service in place of a namespace",
        {"services": services(offeredTo=["shop/catalogue"])},
        [
            f"{SERVICE}.offeredTo[0]: `shop/catalogue` is not a DNS label. Kubernetes refuses it as a name (RFC 1123). "
            "Use at most 63 lower-case letters, digits and inner hyphens, as in `use1`."
        ],
    ),
    (
        "a dashboard without a scheme, and one with a password",
        {
            "telemetry": {
                "dashboards": {"grafana": "grafana.exam-platform.com", "kiali": "https://a:b@kiali.example.com/x"}
            }
        },
        [
            f"{DASHBOARDS}.grafana: `grafana.exam-platform.com` is not the address of a dashboard. Nobody could open "
            "it. Write it as in `https://grafana.exam-platform.com`, without a user.",
            f"{DASHBOARDS}.kiali: `https://kiali.example.com/x` is not the address of a dashboard. Nobody could open "
            "it. Write it as in `https://grafana.exam-platform.com`, without a user.",
        ],
    ),
]


@pytest.mark.parametrize(("changes", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(tmp_path: Path, changes: Yaml, faults: list[str]) -> None:
    assert faults_of(tmp_path, changes) == faults
