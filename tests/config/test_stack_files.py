"""The stack files in the repository, and their schema."""

import json
from pathlib import Path

import pytest
import yaml

from components.config import schema
from components.config.loading import check
from components.config.mesh import CHARTS
from tests.builders import faults_of, write_kubeconfig

REPOSITORY = Path(__file__).parents[2]


def test_the_schema_is_the_models() -> None:
    assert schema.PATH.read_text() == schema.rendered(), "run `python -m components.config.schema`"


def test_every_field_is_described_in_the_schema() -> None:
    definitions = json.loads(schema.PATH.read_text())["$defs"]
    silent = [
        f"{name}.{key}"
        for name, definition in definitions.items()
        for key, field in definition.get("properties", {}).items()
        if not field.get("description")
    ]
    assert silent == [], "an editor shows the description"


@pytest.mark.parametrize("file", sorted(REPOSITORY.glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_a_stack_file_is_valid_and_names_its_schema(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = file.read_text()
    assert text.startswith("# yaml-language-server: $schema=schema/istio-mesh.schema.json\n")
    values = {key.removeprefix("istio-mesh:"): value for key, value in yaml.safe_load(text)["config"].items()}
    # What the lab makes at run time, where the file looks for it.
    for cluster in values["clusters"]:
        path = tmp_path / cluster["existing"]["kubeconfig"]
        path.parent.mkdir(exist_ok=True)
        write_kubeconfig(path.parent, cluster["name"], file=path.name, server=f"https://{cluster['name']}:6443")
    for folder in CHARTS:
        chart = tmp_path / values["mesh"]["charts"]["folder"] / folder
        chart.mkdir(parents=True)
        (chart / "Chart.yaml").touch()
    monkeypatch.chdir(tmp_path)

    assert [str(fault) for fault in check(values)[1]] == []


def test_a_chart_that_is_missing_from_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "Chart.yaml").touch()

    assert faults_of(tmp_path, {"mesh.charts": {"folder": str(tmp_path)}, "mesh.cni": True}) == [
        "istio-mesh:mesh.charts.folder: FOLDER has no istiod/Chart.yaml and no cni/Chart.yaml and no "
        "gateway/Chart.yaml. Helm would find no chart. Put the charts of Istio 1.31.0 there, each with "
        "`helm pull --untar`."
    ]
