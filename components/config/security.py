"""`istio-mesh:security`: exceptions from strict mutual TLS, which is mesh-wide."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from components.config.faults import Fault, invalid
from components.config.model import Model
from components.config.names import Labels
from components.config.values import DnsLabel, Port


def _of_tenants(value: str) -> str:
    if value.startswith("kube-") or value in ("istio-system", "istio-ingress"):
        raise invalid(
            f"`{value}` belongs to Kubernetes or to the mesh itself",
            "Its pods would be given sidecars, and do not work with them",
            "Name the namespace of a workload in the mesh",
        )
    return value


class PermissiveConfig(Model):
    """Ports of one workload that take plain text as well, until its callers are in the mesh."""

    namespace: Annotated[DnsLabel, AfterValidator(_of_tenants), Field(examples=["exam"])]
    """Namespace of the workload. It is made where there is none, and stays when the exception goes."""

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
    """The exceptions, one for each workload; default: none."""

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
