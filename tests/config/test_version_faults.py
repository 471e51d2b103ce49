"""What may be wrong with a service's versions, and with the way from one to the next.

Each case is the services of the minimal stack, and every fault that they must show, word by word.
"""

from pathlib import Path

import pytest

from tests.builders import Yaml, faults_of
from tests.services import services

CASES: list[tuple[str, Yaml, list[str]]] = [
    (
        "a version twice",
        services(versions=["v1", "v1"]),
        [
            (
                'istio-mesh:services["exam/exam-service"].versions[1]: `v1` is named twice. One of them '
                "is a mistake. Name it once."
            )
        ],
    ),
    (
        "a version as a number",
        services(versions=[1]),
        [
            (
                'istio-mesh:services["exam/exam-service"].versions[0]: it is not a text. It is the name '
                'of a version. Put it in quotes, as in `"1"`.'
            )
        ],
    ),
    (
        "versions with the same pods",
        services(versions={"v1": {}, "stable": {"labels": {"version": "v1"}}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].versions.stable.labels: its labels are those of'
                " `v1`. Both would be the same pods. Give each version labels of its own."
            )
        ],
    ),
    (
        "weights to a version that is none",
        services(routes=[{"weights": {"v1": 90, "v3": 10}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].weights.v3: there is no version `v3`.'
                " Every request that goes there would be answered 503. Known here: `v1`, `v2`; add it to "
                "`versions`, or name another one."
            )
        ],
    ),
    (
        "weights of 90",
        services(routes=[{"weights": {"v1": 80, "v2": 10}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].weights: the weights add up to 90. '
                "Istio takes them as parts of the sum, so that none of them is the percentage it seems. "
                "Make them 100 together."
            )
        ],
    ),
    (
        "weights beside a version",
        services(routes=[{"version": "v1", "weights": {"v1": 100}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].version: both `version` and `weights`'
                " are given. It would go two ways. Keep one of them."
            )
        ],
    ),
    (
        "a version that is none",
        services(versions=[], routes=[{"version": "v1"}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].version: there is no version `v1`. '
                "Every request that goes there would be answered 503. There are none; add it to "
                "`versions`, or name another one."
            )
        ],
    ),
    (
        "canary to nowhere",
        services(canary={"to": "v3", "percent": 10}),
        [
            (
                'istio-mesh:services["exam/exam-service"].canary.to: there is no version `v3`. Every '
                "request that goes there would be answered 503. Known here: `v1`, `v2`; add it to "
                "`versions`, or name another one."
            )
        ],
    ),
    (
        "canary of three versions",
        services(versions=["v1", "v2", "v3"], canary={"to": "v3", "percent": 10}),
        [
            (
                'istio-mesh:services["exam/exam-service"].canary: there are 3 versions, and none is named'
                " as the stable one. It is not known where all other requests go. Add `from`, as in "
                "`from: v1`."
            )
        ],
    ),
    (
        "canary to itself",
        services(canary={"to": "v2", "from": "v2"}),
        [
            (
                'istio-mesh:services["exam/exam-service"].canary.from: from `v2` to `v2`. Nothing would '
                "be tried. Name another one."
            )
        ],
    ),
    (
        "canary above all",
        services(canary={"to": "v2", "percent": 101}),
        [
            (
                'istio-mesh:services["exam/exam-service"].canary.percent: 101 is above 100. It is out of '
                "the range that makes sense. Write a number that is not above 100."
            )
        ],
    ),
    (
        "canary beside blue-green",
        services(canary={"to": "v2"}, blueGreen={"active": "v1"}),
        [
            (
                'istio-mesh:services["exam/exam-service"].blueGreen: both `canary` and `blueGreen` are '
                "given. Each says where all other requests go. Keep one of them."
            )
        ],
    ),
    (
        "blue-green without the active version",
        services(blueGreen={"active": "blue"}),
        [
            (
                'istio-mesh:services["exam/exam-service"].blueGreen.active: there is no version `blue`. '
                "Every request that goes there would be answered 503. Known here: `v1`, `v2`; add it to "
                "`versions`, or name another one."
            )
        ],
    ),
    (
        "blue-green with the preview of the active one",
        services(blueGreen={"active": "v1", "preview": {"header": {"x": "y"}, "version": "v1"}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].blueGreen.preview.version: `v1` is the active '
                "one. The preview would show what everybody sees. Name the other one."
            )
        ],
    ),
    (
        "blue-green with one version",
        services(versions=["v1"], blueGreen={"active": "v1", "preview": {"header": {"x": "y"}}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].blueGreen.preview: there is one version, and '
                "none is named as the one to preview. It is not known which one to show. Add `version`, "
                "as in `version: green`."
            )
        ],
    ),
    (
        "canary with connections that the application seals",
        services(ports={"http": 8080, "https": 8443}, canary={"to": "v2"}),
        [
            (
                'istio-mesh:services["exam/exam-service"].ports.https: connections of `https` are sealed '
                "by the application. Proxies route them by the name that the caller asks for, so that "
                "they would go to every version. Let it be plain, as in `http` or `grpc` (the mesh seals "
                "it), or name it `tcp-https`."
            )
        ],
    ),
]


@pytest.mark.parametrize(("said", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(tmp_path: Path, said: Yaml, faults: list[str]) -> None:
    assert faults_of(tmp_path, {"services": said}) == faults
