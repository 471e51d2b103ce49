"""`python -m mesh doctor` asked of a stack that is deployed in the lab: from where the stack is deployed, by what its
outputs say and by the kubeconfigs of its own providers, whose tokens come from `aws eks get-token`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.aws.rehearsal.engine import Engine
from lab.errors import LabError

_PROVIDER = "pulumi:providers:kubernetes"


@dataclass(frozen=True)
class Said:
    """What the doctor said.

    Attributes:
        findings: Each with `id`, `region`, `severity`, `subject`, `cause`.
        seconds: How long it took by its own word.
    """

    findings: Sequence[Mapping[str, str]]
    seconds: float


def ask(engine: Engine, clusters: Mapping[str, str]) -> Said:
    """One run.

    Args:
        engine: Of the stack.
        clusters: Name in EKS, which is the context in a provider's kubeconfig, by name of the cluster.

    Raises:
        LabError: It did not come to a verdict.
    """
    outputs = engine.folder / "outputs.json"
    text = engine.run("stack", "output", "--json", "--stack", engine.stack)
    outputs.write_text(text[text.index("{") :], encoding="utf-8")
    found = {
        each["id"]: str(each["inputs"]["kubeconfig"])
        for each in engine.deployment()["resources"]
        if each["type"] == _PROVIDER
    }
    files = [engine.folder / f"kubeconfig-{number}" for number in range(len(found))]
    for file, content in zip(files, found.values(), strict=True):
        file.write_text(content, encoding="utf-8")
    contexts = [word for name, context in clusters.items() for word in ("--context", f"{name}={context}")]
    done = engine.beside(
        *(sys.executable, "-m", "mesh", "doctor", "--outputs", str(outputs), "--json", *contexts),
        KUBECONFIG=os.pathsep.join(map(str, files)),
    )
    if done.returncode not in (0, 1) or not done.stdout.startswith("{"):
        raise LabError(f"The doctor ended with {done.returncode}: {(done.stderr or done.stdout)[-1000:]}")
    said: dict[str, Any] = json.loads(done.stdout)
    return Said(said["findings"], said["seconds"])
