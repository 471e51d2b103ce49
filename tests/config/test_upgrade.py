"""What a stack may say of an upgrade of Istio, and what follows from it for each cluster."""

import copy
from pathlib import Path
from typing import Any

import pytest

from components.config import StackConfig
from components.config.loading import check
from tests.builders import faults_of, put, stack

UP: dict[str, Any] = {"mesh.version": "1.30.4", "mesh.upgrade": {"version": "1.31.0"}}
SERVICES = {"services": {"exam/api": {"ports": {"http": 8080}}, "results/api": {"ports": {"http": 8080}}}}


def config_of(folder: Path, changes: dict[str, Any], clusters: tuple[str, ...] = ("use1", "usw2")) -> StackConfig:
    values = stack(folder, clusters)
    for path, value in copy.deepcopy(changes).items():
        put(values, path, value)
    config, faults = check(values)
    assert config is not None, [str(fault) for fault in faults]
    return config


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "a patch",
        {"mesh.upgrade": {"version": "1.31.2"}},
        [
            "istio-mesh:mesh.upgrade.version: 1.31.2 is of the same minor as 1.31.0. Both would be the revision "
            "`1-31`, one and the same istiod. Write 1.31.2 as `version`: a patch is changed in place."
        ],
    ),
    (
        "two minors up",
        {"mesh.version": "1.29.1", "mesh.upgrade": {"version": "1.31.0"}},
        [
            "istio-mesh:mesh.upgrade.version: 1.31.0 and 1.29.1 are more than one minor apart. Nobody says that the "
            "proxies of one understand the istiod of the other, and both would be in the mesh. Go one minor after the "
            "other: first to 1.30."
        ],
    ),
    (
        "two minors down",
        {"mesh.upgrade": {"version": "1.29.1"}},
        [
            "istio-mesh:mesh.upgrade.version: 1.29.1 and 1.31.0 are more than one minor apart. Nobody says that the "
            "proxies of one understand the istiod of the other, and both would be in the mesh. Go one minor after the "
            "other: first to 1.30."
        ],
    ),
    (
        "no version",
        {"mesh.upgrade": {}},
        [
            "istio-mesh:mesh.upgrade.version: it is missing. It has no default. Of the second istiod: a minor above "
            "the first one's, or below it. Add it, as in `version: 1.31.0`."
        ],
    ),
    (
        "one tag for both",
        {**UP, "mesh.images": {"tag": "1.30.4"}},
        [
            "istio-mesh:mesh.upgrade: the mesh has two versions, and `images.tag` is 1.30.4 for both. istiod and "
            "proxies of both would be the same. Put `{version}` into `images.tag`, or leave it out."
        ],
    ),
    (
        "no such namespace",
        {**SERVICES, "gateways": {}, **UP, "mesh.upgrade.namespaces": ["exams", "shop", "results"]},
        [
            "istio-mesh:mesh.upgrade.namespaces[0]: the stack has no namespace `exams` with services. Nothing would "
            "be moved. Did you mean `exam`?",
            "istio-mesh:mesh.upgrade.namespaces[1]: the stack has no namespace `shop` with services. Nothing would be "
            "moved. Other teams' namespaces move by `default: true`, or by the label `istio.io/rev: next` of their "
            "own.",
        ],
    ),
    (
        "no such gateway",
        {**UP, "mesh.upgrade.gateways": ["egress"]},
        ["istio-mesh:mesh.upgrade.gateways[0]: it is `egress`. Only these are known: `ingress`, `eastWest`. Take one."],
    ),
    (
        "of one cluster, by two minors",
        {"clusters.0.istio": {"version": "1.29.1", "upgrade": {"version": "1.31.0"}}},
        [
            "istio-mesh:clusters[0].istio.upgrade.version: 1.31.0 and 1.29.1 are more than one minor apart. Nobody "
            "says that the proxies of one understand the istiod of the other, and both would be in the mesh. Go one "
            "minor after the other: first to 1.30."
        ],
    ),
    (
        "clusters two minors apart",
        {"clusters.1.istio": {"version": "1.29.1"}},
        [
            "istio-mesh:clusters: `usw2` has Istio 1.29.1, and `use1` 1.31.0. Nobody says that proxies more than one "
            "minor apart understand each other. Bring `usw2` up to 1.31 first, one minor after the other."
        ],
    ),
    (
        "of a remote cluster",
        {"clusters.1.primary": "use1", "clusters.1.istio": {"version": "1.30.4"}},
        [
            "istio-mesh:clusters[1].istio: `usw2` is remote to `use1`, and has the istiod of that one. Nothing could "
            "be upgraded here alone. Say it of `use1`: this one follows."
        ],
    ),
    (
        "one tag for clusters of two versions",
        {"clusters.0.istio": {"version": "1.30.4"}, "mesh.images": {"tag": "mine"}},
        [
            "istio-mesh:clusters[0].istio: the mesh has two versions, and `images.tag` is mine for both. istiod and "
            "proxies of both would be the same. Put `{version}` into `images.tag`, or leave it out."
        ],
    ),
    (
        "a namespace of one cluster's upgrade",
        {**SERVICES, "gateways": {}, "clusters.0.istio": {"upgrade": {"version": "1.30.4", "namespaces": ["resuls"]}}},
        [
            "istio-mesh:clusters[0].istio.upgrade.namespaces[0]: the stack has no namespace `resuls` with services. "
            "Nothing would be moved. Did you mean `results`?"
        ],
    ),
]


@pytest.mark.parametrize(("changes", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, changes: dict[str, Any], faults: list[str]
) -> None:
    assert faults_of(tmp_path, copy.deepcopy(changes)) == faults


def chart_folder(folder: Path, *versions: str) -> None:
    for version in versions:
        for chart in ("base", "istiod", "gateway"):
            (folder / version / chart).mkdir(parents=True)
            (folder / version / chart / "Chart.yaml").touch()


def test_charts_in_a_folder_are_there_for_both_versions(tmp_path: Path) -> None:
    charts = tmp_path / "charts"
    chart_folder(charts, "1.30.4")
    asked = {**copy.deepcopy(UP), "mesh.charts": {"folder": f"{charts}/{{version}}"}}
    assert faults_of(tmp_path, asked) == [
        "istio-mesh:mesh.charts.folder: there is no folder FOLDER/charts/1.31.0. Helm would find no chart. Put the "
        "charts of Istio 1.31.0 there, each with `helm pull --untar`."
    ]
    chart_folder(charts, "1.31.0")
    assert faults_of(tmp_path, asked) == []
    assert faults_of(tmp_path, {**asked, "mesh.charts.folder": f"{charts}/1.30.4"}) == [
        "istio-mesh:mesh.upgrade: the mesh has two versions, and `charts.folder` is FOLDER/charts/1.30.4 for both. "
        "Helm would install one version's charts as both. Put `{version}` into `charts.folder`."
    ]


def test_charts_of_a_cluster_that_is_ahead_are_looked_for_too(tmp_path: Path) -> None:
    charts = tmp_path / "charts"
    chart_folder(charts, "1.31.0")
    asked = {"mesh.charts": {"folder": f"{charts}/{{version}}"}, "clusters.0.istio": {"version": "1.30.4"}}
    assert [fault.partition(". ")[0] for fault in faults_of(tmp_path, asked)] == [
        "istio-mesh:mesh.charts.folder: there is no folder FOLDER/charts/1.30.4"
    ]


def standing(config: StackConfig, cluster: str) -> dict[str, Any]:
    mesh = config.meshes[cluster]
    return {
        "istiods": [each.version for each in mesh.revisions],
        "newest": mesh.newest.version,
        "tags": {tag: each.version for tag, each in mesh.tags.items()},
        "gateways": [mesh.of_gateway("ingress").version, mesh.of_gateway("eastWest").version],
        "exam": mesh.injection("exam"),
    }


BY_DEFAULT, BY_TAG = {"istio-injection": "enabled"}, {"istio.io/rev": "next"}
BOTH = ["1.30.4", "1.31.0"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"mesh.version": "1.30.4"},
            {"istiods": BOTH[:1], "newest": "1.30.4", "tags": {"default": "1.30.4"}, "gateways": ["1.30.4"] * 2,
             "exam": BY_DEFAULT},
            id="before",
        ),
        pytest.param(
            UP,
            {"istiods": BOTH, "newest": "1.31.0", "tags": {"default": "1.30.4", "next": "1.31.0"},
             "gateways": ["1.30.4"] * 2, "exam": BY_DEFAULT},
            id="beside",
        ),
        pytest.param(
            {**UP, "mesh.upgrade.namespaces": ["exam"], "mesh.upgrade.gateways": ["eastWest"]},
            {"istiods": BOTH, "newest": "1.31.0", "tags": {"default": "1.30.4", "next": "1.31.0"},
             "gateways": BOTH, "exam": BY_TAG},
            id="half-way",
        ),
        pytest.param(
            {**UP, "mesh.upgrade.gateways": ["eastWest", "ingress"], "mesh.upgrade.default": True},
            {"istiods": BOTH, "newest": "1.31.0", "tags": {"default": "1.31.0", "next": "1.31.0"},
             "gateways": ["1.31.0"] * 2, "exam": BY_DEFAULT},
            id="all moved",
        ),
        pytest.param(
            {"mesh.upgrade": {"version": "1.30.4", "default": True}},
            {"istiods": ["1.31.0", "1.30.4"], "newest": "1.31.0", "tags": {"default": "1.30.4", "next": "1.30.4"},
             "gateways": ["1.31.0"] * 2, "exam": BY_DEFAULT},
            id="down",
        ),
    ],
)  # fmt: skip
def test_what_a_step_says_is_so_in_every_cluster(
    tmp_path: Path, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    config = config_of(tmp_path, {**SERVICES, "gateways": {}, **changes})
    assert standing(config, "use1") == standing(config, "usw2") == expected


def test_a_cluster_stands_by_itself_where_it_says_so_and_remotes_with_their_primary(tmp_path: Path) -> None:
    changes = {**UP, "clusters.1.istio": {"version": "1.31.0"}, "clusters.2.primary": "usw2", "clusters.3.istio": {}}
    config = config_of(tmp_path, changes, ("use1", "usw2", "euw1", "apse1"))
    versions = {name: [each.version for each in mesh.revisions] for name, mesh in config.meshes.items()}
    assert versions == {"use1": BOTH, "usw2": ["1.31.0"], "euw1": ["1.31.0"], "apse1": ["1.30.4"]}


def test_a_tag_of_ones_own_may_follow_the_version(tmp_path: Path) -> None:
    config = config_of(tmp_path, {**UP, "mesh.images": {"tag": "{version}-distroless"}})
    assert [each.image_tag for each in config.mesh.revisions] == ["1.30.4-distroless", "1.31.0-distroless"]
    assert config.mesh.charts.repository is not None


def test_nothing_said_is_no_upgrade(tmp_path: Path) -> None:
    config = config_of(tmp_path, {})
    assert config.meshes["use1"] == config.mesh
