"""What the proofs add to the local stack and to its tenant: each file of `tests/lab/stage` has a part of it.

`config`: laid over the stack's configuration, as `Engine.configured` lays changes. `workloads`: of the tenant's
program, in every region unless `regions` names some (`lab.tenant.Workload`).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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


MESH = "undeclared"
"""The part that the proofs of the mesh itself need."""


@dataclass(frozen=True)
class Part:
    """One file of the stage.

    :ivar changes: what is laid over the stack's configuration.
    :ivar workloads: what runs beside the tenant.
    """

    changes: Mapping[str, Any]
    workloads: Sequence[Workload]


class Stage:
    """All parts together.

    :param parts: by name, which is that of the file.
    """

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self.parts = dict(parts)

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Stage:
        parts: dict[str, Part] = {}
        for file in sorted(folder.glob("*.yaml")):
            part = yaml.safe_load(file.read_text(encoding="utf-8"))
            workloads = _WORKLOADS.validate_python(part.get("workloads", []))
            parts[file.stem] = Part(part.get("config", {}), workloads)
        return cls(parts)

    @property
    def workloads(self) -> list[Workload]:
        """Those of all parts."""
        return [work for part in self.parts.values() for work in part.workloads]

    def lay_over(self, engine: Engine) -> None:
        """Makes the committed configuration with all parts over it the engine's base."""
        engine.base = engine.committed
        for part in self.parts.values():
            engine.base = engine.configured(part.changes)

    @property
    def namespaces(self) -> list[str]:
        """Those that are the stage's alone, and go with it."""
        said = [name for part in self.parts.values() for name in part.changes.get("services", {})]
        declared = {name.partition("/")[0] for name in said}
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

    def narrow(self, engine: Engine, sites: Mapping[str, Site], *kept: str) -> None:
        """Takes all parts away but these; without any, the stack is as committed and nothing is left of the stage."""
        before = self.namespaces
        self.parts = {name: part for name, part in self.parts.items() if name in kept}
        gone = [name for name in before if name not in self.namespaces]
        with engine.reserved():
            self.lay_over(engine)
            engine.up()
            if gone:
                remove_namespace([site.kubectl for site in sites.values()], *gone)


def _faults() -> str:
    """What is wrong with the local stack once the stage is laid over it."""
    paths = Paths()
    engine = Engine(paths.root, {}, Path(tempfile.mkdtemp()))
    Stage.read().lay_over(engine)
    content = yaml.safe_load(engine.base.read_text(encoding="utf-8"))["config"]
    _, faults = check({key.partition(":")[2]: value for key, value in content.items()})
    return str(ConfigError(faults)) if faults else ""


if __name__ == "__main__":
    sys.exit(_faults() or 0)
