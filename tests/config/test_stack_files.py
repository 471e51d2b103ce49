"""The stack files in the repository, and their schema."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml

from components.config import schema
from components.config.loading import check
from components.config.mesh import CHARTS
from tests.builders import Yaml, faults_of, with_secrets, write_kubeconfig

REPOSITORY = Path(__file__).parents[2]


def test_the_schema_is_the_models() -> None:
    assert schema.PATH.read_text() == schema.rendered(), "run `make schema`"


def test_every_field_is_described_in_the_schema() -> None:
    silent = [
        f"{'.'.join(place)}.{key}"
        for place, node in maps(json.loads(schema.PATH.read_text()))
        for key, field in node["properties"].items()
        if not field.get("description") and key not in ENGINE
    ]
    assert silent == [], "an editor shows the description"


def test_the_schema_refuses_keys_that_it_does_not_know() -> None:
    opened = [
        ".".join(place)
        for place, node in maps(json.loads(schema.PATH.read_text()))
        if node.get("additionalProperties") is not False
    ]
    assert opened == [], "an editor shows a slip where it is made"


ENGINE = {"config", "secretsprovider", "encryptionsalt", "encryptedkey", "environment", "secure"}
"""Keys that are the engine's own and told in its pages."""


def maps(node: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every part of a schema that is about a map with known keys or with names of one kind, short forms among them."""
    if isinstance(node, list):
        for item in node:
            yield from maps(item, place)
    elif isinstance(node, dict):
        if "properties" in node or "patternProperties" in node:
            yield place, {"properties": {}, **node}
        for key, item in node.items():
            yield from maps(item, (*place, key))


def of_file(file: Path) -> Yaml:
    written = yaml.safe_load(file.read_text())["config"]
    return {key.removeprefix("istio-mesh:"): value for key, value in written.items()}


@pytest.mark.parametrize(
    ("stack", "unset"),
    [
        (
            "staging",
            [
                ("trust.root.provided.certificate", "", "certificate.pem"),
                ("trust.root.provided.intermediates.use1.certificate", "", "certificate.pem"),
                ("trust.root.provided.intermediates.use1.privateKey", "--secret ", "key.pem"),
                ("trust.root.provided.intermediates.usw2.certificate", "", "certificate.pem"),
                ("trust.root.provided.intermediates.usw2.privateKey", "--secret ", "key.pem"),
                ("gateways.ingress.servers[0].tls.certificate", "", "certificate.pem"),
                ("gateways.ingress.servers[0].tls.privateKey", "--secret ", "key.pem"),
            ],
        ),
        (
            "prod",
            [
                ("gateways.ingress.servers[0].tls.certificate", "", "certificate.pem"),
                ("gateways.ingress.servers[0].tls.privateKey", "--secret ", "key.pem"),
            ],
        ),
    ],
)
def test_what_a_stack_of_aws_leaves_out_is_named_with_the_command_that_sets_it(
    stack: str, unset: list[tuple[str, str, str]]
) -> None:
    faults = [str(fault) for fault in check(of_file(REPOSITORY / f"Pulumi.{stack}.yaml"))[1]]
    assert len(faults) == len(unset), faults
    for fault, (path, secret, content) in zip(faults, unset, strict=True):
        assert fault.startswith(f"istio-mesh:{path}: ")
        assert fault.endswith(f"by `pulumi config set {secret}--path 'istio-mesh:{path}' < {content}`.")


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_a_stack_of_aws_holds_no_secret_and_no_salt(stack: str) -> None:
    text = (REPOSITORY / f"Pulumi.{stack}.yaml").read_text()
    assert "PRIVATE KEY" not in text
    assert "secure:" not in text
    assert "encryptionsalt" not in text, "each who makes the stack has his own"


@pytest.mark.parametrize("file", sorted(REPOSITORY.glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_a_stack_file_is_valid_and_names_its_schema(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = file.read_text()
    assert text.startswith("# yaml-language-server: $schema=schema/istio-mesh.schema.json\n")
    values = with_secrets(of_file(file))
    # What the lab makes at run time, where the file looks for it.
    for cluster in [cluster for cluster in values["clusters"] if "existing" in cluster]:
        path = tmp_path / cluster["existing"]["kubeconfig"]
        path.parent.mkdir(exist_ok=True)
        write_kubeconfig(path.parent, cluster["name"], file=path.name, server=f"https://{cluster['name']}:6443")
    for folder in CHARTS if "charts" in values["mesh"] else ():
        chart = tmp_path / values["mesh"]["charts"]["folder"].format(version=values["mesh"]["version"]) / folder
        chart.mkdir(parents=True)
        (chart / "Chart.yaml").touch()
    monkeypatch.chdir(tmp_path)

    assert [str(fault) for fault in check(values)[1]] == []


def test_the_whole_exam_platform_is_said_in_under_150_lines() -> None:
    assert len((REPOSITORY / "Pulumi.local.yaml").read_text().splitlines()) < 150


def test_what_the_readme_shows_of_the_services_is_a_part_of_the_local_stack() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    shown = re.findall(r"^```yaml\n(istio-mesh:services:\n)(.*?)^```$", readme, flags=re.MULTILINE | re.DOTALL)
    assert len(shown) == 1
    (key, services), local = shown[0], (REPOSITORY / "Pulumi.local.yaml").read_text()
    assert indent(key, "  ") in local
    assert indent(services, "  ") in local, "the block is of an older stack file"


def test_a_chart_that_is_missing_from_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "Chart.yaml").touch()

    assert faults_of(tmp_path, {"mesh.charts": {"folder": str(tmp_path)}, "mesh.cni": True}) == [
        "istio-mesh:mesh.charts.folder: FOLDER has no istiod/Chart.yaml and no cni/Chart.yaml and no "
        "gateway/Chart.yaml. Helm would find no chart. Put the charts of Istio 1.31.0 there, each with "
        "`helm pull --untar`."
    ]
