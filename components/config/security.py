"""`istio-mesh:security`: exceptions from strict mutual TLS, which is mesh-wide."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from components.config.faults import Fault
from components.config.model import Model
from components.config.names import Labels
from components.config.values import DnsLabel, Port


class PermissiveConfig(Model):
    """Ports of one workload that take plain text as well, until its callers are in the mesh."""

    namespace: Annotated[DnsLabel, Field(examples=["exam"])]
    """Namespace of the workload."""

    workload: Annotated[Labels, Field(examples=[{"app": "legacy-metrics"}])]
    """Labels that select its pods, at least one."""

    ports: Annotated[tuple[Port, ...], Field(min_length=1, examples=[[8081]])]
    """Ports of the container (not of the Service) that take plain text, at least one."""

    def faults(self) -> Iterator[Fault]:
        for index, port in enumerate(self.ports):
            if port in self.ports[:index]:
                yield Fault(f"port {port} is named twice", "One of them is a mistake", "Name it once", ("ports", index))


class SecurityConfig(Model):
    """Mutual TLS is STRICT in the whole mesh; these are the exceptions."""

    permissive: tuple[PermissiveConfig, ...] = ()
    """None by default."""

    def faults(self) -> Iterator[Fault]:
        seen: dict[tuple[str, frozenset[tuple[str, str]]], int] = {}
        for index, entry in enumerate(self.permissive):
            key = (entry.namespace, frozenset(entry.workload.items()))
            if key in seen:
                yield Fault(
                    f"permissive[{seen[key]}] is about the same workload already",
                    "Istio applies only the older one of two policies for a workload",
                    "List its ports in one entry",
                    ("permissive", index),
                )
            seen.setdefault(key, index)
