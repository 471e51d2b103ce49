"""docs/lose-a-region.md and docs/add-a-region.md: what they write of a stack is right, and they fit a screen."""

from pathlib import Path
from typing import Any

import pytest

from components.config import StackConfig
from components.config.loading import check
from tests.builders import stack
from tests.lab.support.guide import FOLDER, Guide

LOSE, ADD = Guide.read("lose-a-region"), Guide.read("add-a-region")


def config_of(folder: Path, monkeypatch: pytest.MonkeyPatch, step: dict[str, Any]) -> StackConfig:
    """The stack with what a page writes; its contexts are there."""
    names = [f"prod-{entry['name']}" for entry in step["clusters"]]
    values = stack(folder, names)
    monkeypatch.setenv("KUBECONFIG", str(folder / "kubeconfig"))
    config, faults = check({**values, "gateways": {}, **step})
    assert config is not None, [str(fault) for fault in faults]
    return config


def test_a_lost_region_is_marked_and_stays_in_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (step,) = LOSE.steps
    config = config_of(tmp_path, monkeypatch, step)
    assert {cluster.name: cluster.lost for cluster in config.clusters} == {"use1": False, "usw2": True}


def test_an_added_region_is_one_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, service = ADD.steps
    config = config_of(tmp_path, monkeypatch, {**entry, **service})
    assert list(config.served) == ["use1", "usw2", "euw1"]
    assert config.namespaces("euw1") == ("exam",)


@pytest.mark.parametrize("page", ["lose-a-region", "add-a-region"])
def test_the_page_fits_a_screen(page: str) -> None:
    lines = (FOLDER / f"{page}.md").read_text().splitlines()
    assert len(lines) <= 60
    assert max(len(line) for line in lines) <= 125


def test_their_commands_are_known() -> None:
    assert LOSE.commands == (
        "pulumi up",
        "pulumi up --continue-on-error",
        "PULUMI_K8S_DELETE_UNREACHABLE=true pulumi refresh",
    )
    assert ADD.commands == (
        "pulumi up",
        "istioctl remote-clusters --context use1",
        "python -m mesh doctor --stack prod",
    )
