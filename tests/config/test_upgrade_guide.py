"""docs/upgrade-istio.md: each of its steps is one, in its order, and its commands are those that a proof runs."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from components.clusters.revisions import jump, leaving
from components.config.loading import check
from components.config.mesh import MeshConfig
from tests.builders import stack
from tests.lab.support.guide import FOLDER, Guide

PAGE = Guide.read("upgrade-istio")
SERVICES = {"exam/api": {"ports": {"http": 8080}}}


def mesh(folder: Path, change: dict[str, Any]) -> MeshConfig:
    values = stack(folder, services=SERVICES, gateways={})
    config, faults = check({**values, "mesh": {**values["mesh"], **change}})
    assert faults == []
    assert config is not None
    return config.mesh


def moved(config: MeshConfig) -> dict[str, str]:
    """Who is of which version."""
    return {
        "exam": config.tags["next" if "istio.io/rev" in config.injection("exam") else "default"].version,
        "gateways": " ".join({config.of_gateway("ingress").version, config.of_gateway("eastWest").version}),
        "others": config.tags["default"].version,
    }


def test_each_step_moves_one_thing_and_the_last_one_takes_the_old_istiod_away(tmp_path: Path) -> None:
    steps = [mesh(tmp_path, {"version": "1.30.4"}), *(mesh(tmp_path, step["mesh"]) for step in PAGE.steps)]
    versions = [[each.version for each in step.revisions] for step in steps]
    both = ["1.30.4", "1.31.0"]
    assert versions == [["1.30.4"], both, both, both, both, ["1.31.0"]]
    for before, wanted in pairwise(versions):
        assert jump("use1", before, wanted) is None
    assert [leaving(*pair) for pair in pairwise(versions)] == [[], [], [], [], ["1-30"]]
    changes = [
        [what for what, version in moved(after).items() if moved(before)[what] != version]
        for before, after in pairwise(steps)
    ]
    assert changes == [[], ["exam"], ["gateways"], ["others"], []]


def test_a_step_writes_of_the_mesh_alone_and_the_page_fits_a_screen() -> None:
    assert [list(step) for step in PAGE.steps] == [["mesh"]] * 5
    lines = (FOLDER / "upgrade-istio.md").read_text().splitlines()
    assert len(lines) <= 85
    assert max(len(line) for line in lines if not line.startswith("kubectl")) <= 125


def test_its_commands_are_those_that_the_proof_runs() -> None:
    assert PAGE.commands == (
        "pulumi up",
        "kubectl rollout restart deployment -n exam",
        "kubectl get pods -A -o 'custom-columns="
        "NAMESPACE:.metadata.namespace,POD:.metadata.name,REVISION:.metadata.annotations.istio\\.io/rev'",
        "istioctl tag list",
    )
