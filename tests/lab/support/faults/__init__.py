"""Faults of a mesh, each made in the lab and undone, with what the doctor has to say of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from lab.paths import Paths
from tests.lab.support.engine import Engine
from tests.lab.support.site import Site

USE1, USW2 = "use1", "usw2"


@dataclass(frozen=True)
class Lab:
    """What a fault is made with."""

    sites: Mapping[str, Site]
    engine: Engine
    paths: Paths

    def __getitem__(self, name: str) -> Site:
        return self.sites[name]


Make = Callable[[Lab], AbstractContextManager[object]]


@dataclass(frozen=True)
class Expected:
    """A finding: its kind, its region, and its cause as a pattern."""

    id: str
    region: str
    cause: str


@dataclass(frozen=True)
class Fault:
    """One fault.

    :ivar expected: every finding of it.
    :ivar also: kinds that may follow from it besides, as long as it lasts.
    :ivar thresholds: for the doctor.
    """

    name: str
    make: Make
    expected: Sequence[Expected]
    also: frozenset[str] = frozenset()
    thresholds: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def both(kind: str, cause: str) -> list[Expected]:
    """The same in both regions."""
    return [Expected(kind, region, cause) for region in (USE1, USW2)]


def differing(found: set[tuple[str, str]], expected: Sequence[Expected], also: frozenset[str]) -> str:
    """What is missing and what is there besides; empty where it is as expected."""
    wanted = {(each.id, each.region) for each in expected}
    besides = {pair for pair in found - wanted if pair[0] not in also}
    missing = wanted - found
    return json.dumps({"missing": sorted(missing), "besides": sorted(besides)}) if missing or besides else ""
