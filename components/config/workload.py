"""Sizes of the mesh's own pods: replicas and resources."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from components.config.faults import Fault
from components.config.model import Model
from components.config.values import Quantity

_SMALLEST_MEMORY = 2**20

Replicas = Annotated[int, Field(ge=1, le=1000)]
Percent = Annotated[int, Field(ge=1, le=100)]


class ReplicasConfig(Model):
    """How many pods: a horizontal autoscaler keeps the number between the two; equal numbers fix it."""

    min: Replicas
    """At least so many; above one a disruption budget keeps one of them at all times."""

    max: Replicas
    """At most so many."""

    def faults(self) -> Iterator[Fault]:
        if self.min > self.max:
            yield Fault(
                f"min ({self.min}) is above max ({self.max})",
                "The API server refuses such an autoscaler",
                "Lower `min` or raise `max`",
                ("min",),
            )


class AmountsConfig(Model):
    """An amount of cpu and one of memory."""

    cpu: Annotated[Quantity, Field(examples=["500m"])] | None = None
    """Cores, as in `500m` or `2`; default: the chart's own."""

    memory: Annotated[Quantity, Field(examples=["2Gi"])] | None = None
    """Bytes, as in `128Mi` or `2Gi`; default: the chart's own."""

    def faults(self) -> Iterator[Fault]:
        if self.memory is not None and self.memory.amount < _SMALLEST_MEMORY:
            yield Fault(
                f"`{self.memory}` of memory is less than a mebibyte",
                "The container would be killed at once",
                "Write it with its unit, as in `128Mi` (`m` means thousandths)",
                ("memory",),
            )


class ResourcesConfig(Model):
    """What a container asks for and what it may take."""

    requests: AmountsConfig = AmountsConfig()
    """What the scheduler sets aside for it."""

    limits: AmountsConfig = AmountsConfig()
    """Where cpu is throttled and the container killed for memory."""

    def faults(self) -> Iterator[Fault]:
        pairs = (
            ("cpu", self.requests.cpu, self.limits.cpu),
            ("memory", self.requests.memory, self.limits.memory),
        )
        for key, request, limit in pairs:
            if request is not None and limit is not None and request.amount > limit.amount:
                yield Fault(
                    f"the request of {request} {key} is above the limit of {limit}",
                    "The API server refuses the pods",
                    f"Lower `requests.{key}` or raise `limits.{key}`",
                    ("requests", key),
                )


def resources(requests: tuple[str, str], limits: tuple[str, str]) -> ResourcesConfig:
    """Resources from pairs of cpu and memory, for defaults."""
    return ResourcesConfig(
        requests=AmountsConfig(cpu=Quantity.parse(requests[0]), memory=Quantity.parse(requests[1])),
        limits=AmountsConfig(cpu=Quantity.parse(limits[0]), memory=Quantity.parse(limits[1])),
    )
