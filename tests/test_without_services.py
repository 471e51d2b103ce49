"""A stack that declares no services: its mesh is what it was before there was a word for them."""

import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import mocks
from tests.builders import stack

PROGRAM = Path(__file__).parents[1] / "__main__.py"
BEFORE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("without_services.yaml").read_text())
"""What the program rendered of the same stack when it knew no services."""

LEGACY = {"namespace": "legacy", "workload": {"app": "legacy-metrics"}, "ports": [8081]}


def run(folder: Path, **changes: Any) -> mocks.Recording:
    values = stack(folder, security={"permissive": [LEGACY]}, **changes)
    return mocks.run(lambda: runpy.run_path(str(PROGRAM), run_name="__main__"), config=values)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> mocks.Recording:
    return run(tmp_path_factory.mktemp("stack"))


def test_every_resource_is_what_it_was(done: mocks.Recording) -> None:
    assert sorted([found.type, found.name, found.parent or ""] for found in done.resources) == BEFORE["resources"]


def test_istiods_values_are_what_they_were(done: mocks.Recording) -> None:
    assert done.named("use1-control-plane-istiod-1-31").inputs["values"] == BEFORE["istiod"]


def test_nothing_declared_is_as_good_as_nothing_said(done: mocks.Recording, tmp_path: Path) -> None:
    empty: dict[str, Any] = {"services": {}, "egress": {}, "issuers": {}, "extensions": {}, "objects": []}
    assert sorted(run(tmp_path, **empty).names) == sorted(done.names)


def test_a_namespace_in_which_no_service_is_declared_stays_as_it_was(tmp_path: Path) -> None:
    """Nobody has said who calls what in it: neither denies, nor an allow that would deny the rest, nor a scope."""
    said = run(tmp_path, services={"exam/api": {"ports": {"http": 8080}}}, gateways={})
    made = {
        (found.type.rpartition(":")[2], found.name)
        for found in said.resources
        if found.name.startswith("use1-") and "legacy" in str(found.inputs.get("metadata"))
    }
    assert made == {
        ("Namespace", "use1-security-namespace-legacy"),
        ("PeerAuthentication", "use1-security-legacy-permissive-legacy-metrics-00db7c"),
    }


def test_a_namespace_is_kept_when_its_first_service_is_declared_and_when_its_last_one_goes(tmp_path: Path) -> None:
    declared = run(tmp_path, services={"legacy/api": {"ports": {"http": 8080}}}, gateways={})
    for recording, name, former in (
        (declared, "use1-namespaces-legacy", "use1-security-namespace-legacy"),
        (run(tmp_path), "use1-security-namespace-legacy", "use1-namespaces-legacy"),
    ):
        (alias,) = (alias.spec for alias in recording.named(name).options.aliases)
        assert alias.name == former
        assert alias.parentUrn.endswith(f"::{former.rpartition('-legacy')[0].removesuffix('-namespace')}")
