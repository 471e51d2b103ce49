"""docs/rotate-the-root.md: each of its steps is one, in its order, and its commands are those that a proof runs."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from components.config.loading import check
from components.config.rotation import NONE
from components.config.trust import RootConfig, TrustConfig
from tests.builders import stack
from tests.lab.support.guide import FOLDER, Guide

PAGE = Guide.read("rotate-the-root")


def trust(folder: Path, change: dict[str, Any]) -> TrustConfig:
    values = stack(folder)
    config, faults = check({**values, "trust": {**values["trust"], **change}})
    assert faults == []
    assert config is not None
    return config.trust


def held(config: TrustConfig) -> tuple[list[RootConfig], RootConfig]:
    """What is trusted, and who signs."""
    return [config.roots[place] for place in config.stage.trusts], config.roots[config.stage.signs]


def test_each_step_changes_either_what_is_trusted_or_who_signs(tmp_path: Path) -> None:
    steps = [trust(tmp_path, {}), *(trust(tmp_path, step["trust"]) for step in PAGE.steps)]
    assert [config.phase for config in steps] == [NONE, "trust-both", "sign-new", "drop-old", NONE]
    states = [held(config) for config in steps]
    changes = [(before[0] != after[0], before[1] != after[1]) for before, after in pairwise(states)]
    assert changes == [(True, False), (False, True), (True, False), (False, False)]
    assert states[-1][0] == [steps[1].roots[1]], "the root is the one that the rotation began with"


def test_a_step_writes_of_trust_alone_and_the_page_fits_a_screen() -> None:
    assert [list(step) for step in PAGE.steps] == [["trust"]] * 4
    lines = (FOLDER / "rotate-the-root.md").read_text().splitlines()
    assert len(lines) <= 75
    assert max(len(line) for line in lines) <= 120


def test_its_commands_are_those_that_the_proof_runs() -> None:
    assert PAGE.commands == ("pulumi up", "istioctl proxy-config secret -n exam deploy/web-frontend")
