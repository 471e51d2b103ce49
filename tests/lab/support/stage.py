"""What the proofs add to the local stack and to its tenant: each file of `tests/lab/stage` has a part of it.

`config`: laid over the stack's configuration, as `Engine.configured` lays changes. `workloads`: of the tenant's
program, in every region unless `regions` names some (`lab.tenant.Workload`).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from components.config.faults import ConfigError
from components.config.loading import check
from lab import tenant
from lab.paths import Paths
from lab.tenant import NAMESPACE, OUTSIDE, Workload
from tests.lab.support.engine import Engine
from tests.lab.support.site import Site
from tests.lab.support.workloads import remove_namespace

FOLDER = Path(__file__).parents[1] / "stage"

_WORKLOADS = TypeAdapter(list[Workload])


@dataclass(frozen=True)
class Stage:
    """All parts together.

    :ivar changes: what is laid over the stack's configuration, one part after the other.
    :ivar workloads: what runs beside the tenant.
    """

    changes: Sequence[Mapping[str, Any]] = ()
    workloads: Sequence[Workload] = field(default=())

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Stage:
        parts = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.yaml"))]
        workloads = [work for part in parts for work in _WORKLOADS.validate_python(part.get("workloads", []))]
        return cls([part["config"] for part in parts if "config" in part], workloads)

    @property
    def namespaces(self) -> list[str]:
        """Those that are the stage's alone, and go with it."""
        declared = {name.partition("/")[0] for change in self.changes for name in change.get("services", {})}
        return sorted((declared | {work.namespace for work in self.workloads}) - {NAMESPACE, OUTSIDE})

    def deploy(self, sites: Mapping[str, Site]) -> None:
        """Puts the workloads into their regions, and returns when they serve."""
        with ThreadPoolExecutor() as pool:
            for done in [
                pool.submit(tenant.deploy, site.region, site.kubectl, self.workloads) for site in sites.values()
            ]:
                done.result()

    def set_up(self, engine: Engine, sites: Mapping[str, Site]) -> None:
        """The stack with the stage's configuration, and the workloads in the mesh."""
        with engine.reserved():
            engine.up()
            self.deploy(sites)

    def take_down(self, engine: Engine, sites: Mapping[str, Site]) -> None:
        """The stack as committed, and nothing left of the stage."""
        with engine.reserved():
            engine.up(engine.committed)
            remove_namespace([site.kubectl for site in sites.values()], *self.namespaces)


def _faults() -> str:
    """What is wrong with the local stack once the stage is laid over it."""
    paths = Paths()
    engine = Engine(paths.root, {}, Path(tempfile.mkdtemp()))
    for changes in Stage.read().changes:
        engine.base = engine.configured(changes)
    content = yaml.safe_load(engine.base.read_text(encoding="utf-8"))["config"]
    _, faults = check({key.partition(":")[2]: value for key, value in content.items()})
    return str(ConfigError(faults)) if faults else ""


if __name__ == "__main__":
    sys.exit(_faults() or 0)
