"""`python -m mesh doctor` asked of a stack that is deployed in the lab: from where the stack is deployed, by what its
outputs say and by the kubeconfigs of its own providers, whose tokens come from `aws eks get-token`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.aws.rehearsal.controller import SUFFIX
from lab.aws.rehearsal.engine import Engine
from lab.aws.rehearsal.stacks import Stack
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

    @property
    def of_the_stack(self) -> set[tuple[str, str, str]]:
        """Kind, region and subject of each, but for Services of the rehearsal's own."""
        return {
            (each["id"], each["region"], each["subject"])
            for each in self.findings
            if not each["subject"].endswith(SUFFIX)
        }


def missing(stack: Stack, deployed: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str, str]]:
    """What has to be found of the stack's services, of which a rehearsal deploys some.

    Args:
        stack: The stack.
        deployed: Deployments of the namespace `exam`, each with the clusters where it has pods.
    """
    everywhere = {cluster for clusters in deployed.values() for cluster in clusters}
    for key, service in stack.part("services").items():
        name = key.partition("/")[2]
        versions = {f"{name}-{version}" for version in service.get("versions", ())} or {name}
        found = versions & set(deployed)
        for cluster in service.get("regions", sorted(everywhere)):
            here = {each for each in found if cluster in deployed[each]}
            if not found:
                yield "service-missing", cluster, key
            elif not here:
                yield "service-endpoints", cluster, key
            elif here != versions:
                yield "analysis-ist0173", cluster, f"DestinationRule {key}"


def ask(engine: Engine, stack: Stack) -> Said:
    """One run.

    Raises:
        LabError: It did not come to a verdict.
    """
    providers = [each for each in engine.deployment()["resources"] if each["type"] == _PROVIDER]
    files: list[Path] = []
    for number, provider in enumerate(providers):
        files.append(engine.folder / f"kubeconfig-{number}")
        files[-1].write_text(str(provider["inputs"]["kubeconfig"]), encoding="utf-8")
    # A provider's kubeconfig calls its one context as EKS calls the cluster.
    names = {cluster: stack.clusters()[region] for cluster, region in stack.regions().items()}
    contexts = [word for cluster, name in names.items() for word in ("--context", f"{cluster}={name}")]
    done = engine.beside(
        # Names of load balancers resolve in the regions, and not where the engine runs.
        *(sys.executable, "-m", "mesh", "doctor", "--stack", engine.stack, "--no-handshakes", "--json", *contexts),
        KUBECONFIG=os.pathsep.join(map(str, files)),
    )
    if done.returncode not in (0, 1) or not done.stdout.startswith("{"):
        raise LabError(f"The doctor ended with {done.returncode}: {(done.stderr or done.stdout)[-1000:]}")
    said: dict[str, Any] = json.loads(done.stdout)
    return Said(said["findings"], said["seconds"])
