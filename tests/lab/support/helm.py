"""Charts rendered as the program's releases render them: by the Kubernetes provider's own Helm, through the engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.lab.support.commands import run

STACK = "render"
TIMEOUT = 120.0  # seconds of one run of the engine, which makes nothing

# The engine is asked for values alone: there is no resource, and no cluster is changed.
PROGRAM = """
import json
import pathlib

import pulumi
import pulumi_kubernetes._utilities as sdk

for release in json.loads(pathlib.Path("releases.json").read_text()):
    options = {
        "path": release["chart"],
        "release_name": release["name"],
        "namespace": release["namespace"],
        "values": release["values"],
    }
    answer = pulumi.runtime.invoke(
        "kubernetes:helm:template", {"jsonOpts": json.dumps(options)}, pulumi.InvokeOptions(version=sdk.get_version())
    )
    pulumi.export(release["label"] or release["name"], answer.value["result"])
"""


@dataclass(frozen=True)
class Release:
    """A Helm release as the engine is told of it.

    :ivar chart: folder of the chart.
    :ivar label: what tells it from those of the same name in other clusters.
    """

    chart: str
    name: str
    namespace: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    label: str = ""


def rendered(releases: list[Release], env: Mapping[str, str], folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The objects of each release, by its label or name.

    :param folder: an empty folder for the engine's state.
    """
    state = folder / "state"
    state.mkdir(parents=True)
    runtime = {"name": "python", "options": {"virtualenv": str(Path(sys.prefix))}}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": STACK, "runtime": runtime}))
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / "releases.json").write_text(json.dumps([asdict(release) for release in releases]))
    own = {**env, "PULUMI_BACKEND_URL": f"file://{state}"}

    def pulumi(*words: str) -> str:
        return run(["pulumi", "--non-interactive", *words], env=own, cwd=folder, timeout=TIMEOUT).out

    pulumi("stack", "init", STACK)
    pulumi("up", "--yes", "--skip-preview", "--stack", STACK)
    texts = json.loads(pulumi("stack", "output", "--json", "--stack", STACK))
    return {name: [found for found in text if found] for name, text in texts.items()}
