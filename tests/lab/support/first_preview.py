"""The first preview of a stack of AWS: of an empty account, by the real engine and the stand-in for AWS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.aws.rehearsal.empty_account import EmptyAccount
from lab.aws.rehearsal.engine import RunFailed
from policies.resources import Resource
from policies.unknowns import UNKNOWN, Node, Secret, marked, unnoticed
from previews import engine as previews
from previews.engine import PACK, PROJECT, Target
from previews.events import read
from previews.report import Report
from tests.lab.support.judged import reported

_PLACE = re.compile(r"`([^`]+)` of (\S+?)(?=, `| and \d+ more|\.$)")
_STEP = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True)
class FirstPreview:
    """A stack's preview with the pack.

    :ivar place: the account, and the engine on the stack.
    :ivar report: what a person and a pull request are shown of it.
    :ivar resources: what the program asked for, as the engine's events have it.
    """

    place: EmptyAccount
    report: Report
    resources: Sequence[Resource]

    @classmethod
    def made(cls, place: EmptyAccount) -> FirstPreview:
        log = place.config.with_name("judged.jsonl")
        target = Target(place.stack, place.engine.environment, PROJECT, PROJECT / PACK, place.config)
        report = previews.preview(target, log=log)
        return cls(place, report, tuple(_asked_for(log)))

    @property
    def clusters(self) -> int:
        """How many the stack has: what is wrong with one object of the mesh is found in each."""
        return sum(resource.type == "aws:eks/cluster:Cluster" for resource in self.resources)

    def changed(self, changes: Mapping[str, Any]) -> tuple[Report, Sequence[Resource]]:
        """`pulumi up` with a change that the pack refuses: its report, and what the program asked for.

        :raises AssertionError: it was not refused.
        """
        config, log = self.place.configured(changes), self.place.config.with_name("changed.jsonl")
        words = ["up", "--yes", "--stack", self.place.stack, "--policy-pack", str(PROJECT / PACK)]
        try:
            self.place.engine.run(*words, "--event-log", str(log), "--config-file", str(config))
        except RunFailed as failed:
            return reported(log, failed.code, failed.said), tuple(_asked_for(log))
        raise AssertionError("`pulumi up` ended well")


def _asked_for(log: Path) -> Iterator[Resource]:
    """Every resource that would be made, with its inputs; those that are only read are nobody's to judge."""
    for event in read(log):
        step = event.resource_pre_event.metadata if event.resource_pre_event else None
        if step and step.new and step.op == "create":
            yield Resource(step.type, step.urn.rpartition("::")[2], step.urn, marked(step.new.inputs))


def holds_unknown(value: Any) -> bool:
    """Whether something in a value is known only after the update."""
    if isinstance(value, Secret):
        return holds_unknown(value.value)
    if isinstance(value, Mapping):
        return any(map(holds_unknown, value.values()))
    return value is UNKNOWN or (isinstance(value, list) and any(map(holds_unknown, value)))


def unknown_at(resource: Resource, path: str) -> bool:
    """Whether what stands at a place of a resource's inputs, as the pack writes it, is known only after the update."""
    steps = [int(step) if step.isdigit() else step for step in _STEP.findall(path)]
    return not Node(resource.properties, "", unnoticed).at(*steps).known


def places(note: str) -> list[tuple[str, str]]:
    """Places and names of resources that a note names."""
    return _PLACE.findall(note)
