"""What may be wrong with `istio-mesh:security`, and with keys that are none.

Each case is a change of the minimal valid stack and every fault that it must show, word by word.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.builders import faults_of


def _permissive(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"security": {"permissive": list(entries)}}


def _entry(app: str = "legacy", ports: Any = (8081,), **workload: Any) -> dict[str, Any]:
    return {"namespace": "exam", "workload": workload or {"app": app}, "ports": list(ports)}


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    *(
        (
            f"namespace {name}",
            _permissive(_entry() | {"namespace": name}),
            [
                (
                    f"istio-mesh:security.permissive[0].namespace: `{name}` belongs to Kubernetes or to the mesh "
                    "itself. Its pods would be given sidecars, and do not work with them. Name the namespace of a "
                    "workload in the mesh."
                ),
            ],
        )
        for name in ("istio-system", "istio-ingress", "kube-system", "kube-node-lease")
    ),
    (
        "workload missing",
        _permissive({"namespace": "exam", "ports": [8081]}),
        [
            (
                "istio-mesh:security.permissive[0].workload: it is missing. It has no default. Labels that "
                "select its pods, at least one. Add it, as in `workload: {app: legacy-metrics}`."
            ),
        ],
    ),
    (
        "workload empty",
        _permissive({"namespace": "exam", "workload": {}, "ports": [8081]}),
        [
            "istio-mesh:security.permissive[0].workload: it is empty. There has to be at least one. Add one.",
        ],
    ),
    (
        "ports missing",
        _permissive({"namespace": "exam", "workload": {"app": "legacy"}}),
        [
            (
                "istio-mesh:security.permissive[0].ports: it is missing. It has no default. Ports of the "
                "container (not of the Service) that take plain text, at least one. Add it, as in `ports: "
                "[8081]`."
            ),
        ],
    ),
    (
        "ports empty",
        _permissive(_entry(ports=[])),
        [
            "istio-mesh:security.permissive[0].ports: it is empty. There has to be at least one. Add one.",
        ],
    ),
    (
        "port zero",
        _permissive(_entry(ports=[0])),
        [
            (
                "istio-mesh:security.permissive[0].ports[0]: 0 is below 1. It is out of the range that makes "
                "sense. Write a number that is not below 1."
            ),
        ],
    ),
    (
        "port too high",
        _permissive(_entry(ports=[70000])),
        [
            (
                "istio-mesh:security.permissive[0].ports[0]: 70000 is above 65535. It is out of the range that "
                "makes sense. Write a number that is not above 65535."
            ),
        ],
    ),
    (
        "port by name",
        _permissive(_entry(ports=["http"])),
        [
            (
                "istio-mesh:security.permissive[0].ports[0]: it is a text, not a whole number. Nothing can be "
                "made of it. Write a whole number, as in `2`."
            ),
        ],
    ),
    (
        "port twice",
        _permissive(_entry(ports=[80, 80])),
        [
            (
                "istio-mesh:security.permissive[0].ports[1]: port 80 is named twice. One of them is a mistake. "
                "Name it once."
            ),
        ],
    ),
    (
        "workload twice",
        _permissive(_entry(), _entry(ports=[8082])),
        [
            (
                "istio-mesh:security.permissive[1]: permissive[0] is about the same workload already. Istio "
                "applies only the older one of two policies for a workload. List its ports in one entry."
            ),
        ],
    ),
    (
        "workload twice beside another fault",
        _permissive(_entry(), _entry("other", ports=[0]), _entry(ports=[8082])),
        [
            (
                "istio-mesh:security.permissive[1].ports[0]: 0 is below 1. It is out of the range that makes "
                "sense. Write a number that is not below 1."
            ),
            (
                "istio-mesh:security.permissive[2]: permissive[0] is about the same workload already. Istio "
                "applies only the older one of two policies for a workload. List its ports in one entry."
            ),
        ],
    ),
    (
        "label with a space",
        _permissive(_entry(**{"app name": "legacy"})),
        [
            (
                'istio-mesh:security.permissive[0].workload["app name"]: `app name` is not a label\'s name. The '
                "API server refuses it. Write it as in `app`."
            ),
        ],
    ),
    (
        "value with a space",
        _permissive(_entry("legacy app")),
        [
            (
                "istio-mesh:security.permissive[0].workload.app: `legacy app` is not a label's value. The API "
                "server refuses it. Mend the value."
            ),
        ],
    ),
    (
        "value as a number",
        _permissive({"namespace": "exam", "workload": {"app": 1}, "ports": [8081]}),
        [
            (
                "istio-mesh:security.permissive[0].workload.app: it is the number 1, not a text. Nothing can be "
                'made of it. Put it in quotes, as in `"1"`.'
            ),
        ],
    ),
    (
        "unknown value",
        {"routing": {}},
        [
            (
                "istio-mesh:routing: there is no key `routing`. It would be ignored, and the stack would not be "
                "what its file says. Known here: `clusters`, `trust`, `mesh`, `aws`, `gateways`, `security`, "
                "`services`, `serviceFiles`, `egress`, `issuers`, `telemetry`, `extensions`, `objects`, `policies`."
            ),
        ],
    ),
    (
        "misspelt value",
        {"gateway": {}},
        [
            (
                "istio-mesh:gateway: there is no key `gateway`. It would be ignored, and the stack would not be "
                "what its file says. Did you mean `gateways`?"
            ),
        ],
    ),
]


@pytest.mark.parametrize(("changes", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, changes: dict[str, Any], faults: list[str]
) -> None:
    assert faults_of(tmp_path, changes) == faults
