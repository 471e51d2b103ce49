"""From when on a number is a finding: frozen values with defaults, from a file where a team has its own.

Validated as every value of a stack is: unknown keys, values without units and thresholds that could never be met are
refused with what is wrong, what it would cause and how to mend it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from components.config.faults import Fault, InvalidValue
from components.config.model import Model
from components.config.values import Duration, ShortDuration
from mesh.errors import MeshError

Percent = Annotated[int, Field(ge=1, le=100)]
Count = Annotated[int, Field(ge=1)]


class Thresholds(Model):
    """When a number becomes a finding."""

    latency: ShortDuration = ShortDuration.parse("1s")
    """Of requests to one destination, 99th percentile or, where only that can be had, the mean; default 1s (seed,
    performance issues: P99 above 1000 ms)."""

    retries: Percent = 20
    """Retries to one destination in percent of its requests; default 20, Envoy's own budget of retries."""

    requests: Count = 20
    """Requests to one destination within the time looked at below which nothing is said of latency and retries;
    default 20."""

    memory: Percent = 85
    """Of a proxy's or istiod's memory limit; default 85."""

    configuration: Count = 500
    """Clusters that a sidecar knows, where it calls fewer; default 500."""

    push: ShortDuration = ShortDuration.parse("3s")
    """From a change until proxies have it, 99th percentile; default 3s."""

    queue: ShortDuration = ShortDuration.parse("1s")
    """That a proxy waits for its turn to be told a change, 99th percentile; default 1s."""

    clock_skew: Duration = Duration.parse("30s")
    """Between two clocks of the mesh; default 30s. istiod dates certificates back by 2 minutes."""

    workload_certificate: Percent = 25
    """Left of a workload certificate's life, in percent; default 25. Proxies renew it at half."""

    authority: Duration = Duration.parse("30d")
    """Left of an intermediate's or a root's validity; default 30d."""

    ingress_certificate: Duration = Duration.parse("14d")
    """Left of the validity of a public host's certificate; default 14d."""

    def faults(self) -> Iterator[Fault]:
        if self.clock_skew.seconds > 120:
            yield Fault(
                f"clockSkew ({self.clock_skew}) is above 2 minutes",
                "New certificates would be refused already, since istiod dates them back by 2 minutes only",
                "Lower it",
                ("clockSkew",),
            )


def read(file: Path) -> Thresholds:
    """Those of a YAML file. Raises MeshError with every fault of it."""
    try:
        values: Any = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        cause = problem.strerror if isinstance(problem, OSError) else "it is not YAML"
        raise MeshError(f"{file} cannot be read: {cause}. Mend it, or leave `--thresholds` out.") from None
    try:
        return Thresholds.model_validate(values)
    except ValidationError as problem:
        lines = [f"  {line}" for error in problem.errors(include_url=False) for line in _lines(error)]
        head = f"{file} has {len(lines)} fault{'s' if len(lines) != 1 else ''}; nothing was examined."
        raise MeshError("\n".join([head, *lines])) from None


def _lines(error: Any) -> Iterator[str]:
    where = ".".join(str(step) for step in error["loc"])
    carried = error.get("ctx", {}).get("error")
    if isinstance(carried, InvalidValue):
        for fault in carried.faults:
            path = ".".join([where, *map(str, fault.where)]).strip(".")
            yield f"{path}: {fault.sentence}"
    elif error["type"] == "extra_forbidden":
        known = ", ".join(f"`{info.alias or name}`" for name, info in Thresholds.model_fields.items())
        yield f"{where}: there is no such threshold. It would be ignored. Known here: {known}."
    else:
        said = error["msg"][:1].lower() + error["msg"][1:]
        yield f"{where or 'the file'}: {said}. Nothing can be compared with it. docs/doctor.md says what is taken here."
