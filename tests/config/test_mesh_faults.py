"""What may be wrong with `istio-mesh:mesh`.

Each case is a change of the minimal valid stack and every fault that it must show, word by word.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.builders import ABSENT, faults_of


def _istiod(**resources: Any) -> dict[str, Any]:
    return {"mesh.istiod": {"resources": resources}}


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "mesh missing",
        {"mesh": ABSENT},
        [
            (
                "istio-mesh:mesh: it is missing. The control plane: without it there is no mesh. Add it to the "
                "stack's file; Pulumi.local.yaml shows how."
            ),
        ],
    ),
    (
        "mesh empty",
        {"mesh": None},
        [
            (
                "istio-mesh:mesh: it is empty, not a map of keys and values. Nothing can be made of it. Write "
                "`key: value` lines below it."
            ),
        ],
    ),
    (
        "id with a space",
        {"mesh.id": "Exam Mesh"},
        [
            (
                "istio-mesh:mesh.id: `Exam Mesh` is not a DNS label. Kubernetes refuses it as a name (RFC "
                "1123). Use at most 63 lower-case letters, digits and inner hyphens, as in `use1`."
            ),
        ],
    ),
    (
        "version without patch",
        {"mesh.version": "1.31"},
        [
            (
                "istio-mesh:mesh.version: `1.31` is not a full version. Charts and images are found by the "
                "exact version. Write all three numbers, as in `1.31.0`."
            ),
        ],
    ),
    (
        "version as a number",
        {"mesh.version": 1.31},
        [
            (
                "istio-mesh:mesh.version: it is the number 1.31, not a text. Nothing can be made of it. Put it "
                'in quotes, as in `"1.31"`.'
            ),
        ],
    ),
    (
        "version without support",
        {"mesh.version": "1.20.3"},
        [
            (
                "istio-mesh:mesh.version: Istio 1.20.3 is not in the table of supported versions. Its "
                "Kubernetes versions and charts are not known here. Take one of 1.29, 1.30, 1.31."
            ),
        ],
    ),
    (
        "two chart sources",
        {"mesh.charts": {"repository": "https://a.b/c", "oci": "oci://a.b/c"}},
        [
            (
                "istio-mesh:mesh.charts: exactly one of `folder`, `repository`, `oci` is needed, and "
                "`repository`, `oci` are given. Helm would not know where to take the charts from. Keep one "
                "source."
            ),
        ],
    ),
    (
        "three chart sources",
        {"mesh.charts": {"repository": "https://a.b/c", "oci": "oci://a.b/c", "folder": "charts"}},
        [
            (
                "istio-mesh:mesh.charts: exactly one of `folder`, `repository`, `oci` is needed, and `folder`, "
                "`repository`, `oci` are given. Helm would not know where to take the charts from. Keep one "
                "source."
            ),
        ],
    ),
    (
        "no chart source",
        {"mesh.charts": {}},
        [
            (
                "istio-mesh:mesh.charts: exactly one of `folder`, `repository`, `oci` is needed, and none of "
                "them is given. Helm would not know where to take the charts from. Keep one source."
            ),
        ],
    ),
    (
        "no such chart folder",
        {"mesh.charts": {"folder": "nowhere"}},
        [
            (
                "istio-mesh:mesh.charts.folder: there is no folder nowhere. Helm would find no chart. Put the "
                "charts of Istio 1.31.0 there, each with `helm pull --untar`."
            ),
        ],
    ),
    (
        "repository without scheme",
        {"mesh.charts": {"repository": "istio"}},
        [
            (
                "istio-mesh:mesh.charts.repository: `istio` is not a chart repository. Helm could not fetch the "
                "charts. Write its address, as in `https://istio-release.storage.googleapis.com/charts`."
            ),
        ],
    ),
    (
        "registry of another scheme",
        {"mesh.charts": {"oci": "https://a.b"}},
        [
            (
                "istio-mesh:mesh.charts.oci: `https://a.b` is not an OCI registry. Helm could not fetch the "
                "charts. Write registry and path with their scheme, as in "
                "`oci://registry.example.com/istio/charts`."
            ),
        ],
    ),
    (
        "hub with a scheme",
        {"mesh.images": {"hub": "https://docker.io/istio"}},
        [
            (
                "istio-mesh:mesh.images.hub: `https://docker.io/istio` is not a registry with a path. No node "
                "could pull the images. Write it without a scheme, as in `docker.io/istio`."
            ),
        ],
    ),
    (
        "tag with a space",
        {"mesh.images": {"tag": "1.31 0"}},
        [
            (
                "istio-mesh:mesh.images.tag: `1.31 0` is not an image's tag. No node could pull the images. "
                "Write it as in `1.31.0`."
            ),
        ],
    ),
    (
        "tag as a number",
        {"mesh.images": {"tag": 1.31}},
        [
            (
                "istio-mesh:mesh.images.tag: it is the number 1.31, not a text. Nothing can be made of it. Put "
                'it in quotes, as in `"1.31"`.'
            ),
        ],
    ),
    (
        "pull policy in lower case",
        {"mesh.images": {"pullPolicy": "never"}},
        [
            (
                "istio-mesh:mesh.images.pullPolicy: it is `never`. Only these are known: `Always`, "
                "`IfNotPresent`, `Never`. Take one."
            ),
        ],
    ),
    (
        "unknown data plane",
        {"mesh.dataPlane": "envoy"},
        [
            ("istio-mesh:mesh.dataPlane: it is `envoy`. Only these are known: `istio`, `upstream-envoy`. Take one."),
        ],
    ),
    (
        "neither true nor false",
        {"mesh.cni": "maybe"},
        [
            (
                "istio-mesh:mesh.cni: it is a text, not true or false. Nothing can be made of it. Write `true` "
                "or `false`."
            ),
        ],
    ),
    (
        "more at least than at most",
        {"mesh.istiod": {"replicas": {"min": 3, "max": 1}}},
        [
            (
                "istio-mesh:mesh.istiod.replicas.min: min (3) is above max (1). The API server refuses such an "
                "autoscaler. Lower `min` or raise `max`."
            ),
        ],
    ),
    (
        "no replica",
        {"mesh.istiod": {"replicas": {"min": 0, "max": 1}}},
        [
            (
                "istio-mesh:mesh.istiod.replicas.min: 0 is below 1. It is out of the range that makes sense. "
                "Write a number that is not below 1."
            ),
        ],
    ),
    (
        "replicas without a maximum",
        {"mesh.istiod": {"replicas": {"min": 1}}},
        [
            "istio-mesh:mesh.istiod.replicas.max: it is missing. It has no default. At most so many. Add it.",
        ],
    ),
    (
        "more than all of the cpu",
        {"mesh.istiod": {"targetCpu": 101}},
        [
            (
                "istio-mesh:mesh.istiod.targetCpu: 101 is above 100. It is out of the range that makes sense. "
                "Write a number that is not above 100."
            ),
        ],
    ),
    (
        "cpu request above its limit",
        _istiod(requests={"cpu": "2"}, limits={"cpu": "500m"}),
        [
            (
                "istio-mesh:mesh.istiod.resources.requests.cpu: the request of 2 cpu is above the limit of "
                "500m. The API server refuses the pods. Lower `requests.cpu` or raise `limits.cpu`."
            ),
        ],
    ),
    (
        "memory request above its limit",
        _istiod(requests={"memory": "1Gi"}, limits={"memory": "1G"}),
        [
            (
                "istio-mesh:mesh.istiod.resources.requests.memory: the request of 1Gi memory is above the limit "
                "of 1G. The API server refuses the pods. Lower `requests.memory` or raise `limits.memory`."
            ),
        ],
    ),
    (
        "unknown unit",
        _istiod(requests={"memory": "128MB"}),
        [
            (
                "istio-mesh:mesh.istiod.resources.requests.memory: `128MB` is not an amount of cpu or memory. "
                "The API server would refuse the pods. Write it as Kubernetes does, as in `500m` or `2` for "
                "cpu, `128Mi` or `2Gi` for memory."
            ),
        ],
    ),
    (
        "thousandths of a byte",
        _istiod(requests={"memory": "128m"}),
        [
            (
                "istio-mesh:mesh.istiod.resources.requests.memory: `128m` of memory is less than a mebibyte. "
                "The container would be killed at once. Write it with its unit, as in `128Mi` (`m` means "
                "thousandths)."
            ),
        ],
    ),
    (
        "unknown key deep down",
        {"mesh.proxies": {"resources": {"request": {"cpu": "1"}}}},
        [
            (
                "istio-mesh:mesh.proxies.resources.request: there is no key `request`. It would be ignored, and "
                "the stack would not be what its file says. Did you mean `requests`?"
            ),
        ],
    ),
]


@pytest.mark.parametrize(("changes", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, changes: dict[str, Any], faults: list[str]
) -> None:
    assert faults_of(tmp_path, changes) == faults
