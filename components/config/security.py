"""`istio-mesh:security`: exceptions from strict mutual TLS, which is mesh-wide."""

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from components.config.faults import Fault, invalid
from components.config.model import Model
from components.config.values import DnsLabel, Port

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def _labels(value: dict[str, str]) -> dict[str, str]:
    for key, text in value.items():
        prefix, slash, name = key.rpartition("/")
        if not _NAME.fullmatch(name) or (slash and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", prefix)):
            raise invalid(f"`{key}` is not a label's name", "The API server refuses it", "Write it as in `app`", key)
        if text and not _NAME.fullmatch(text):
            raise invalid(f"`{text}` is not a label's value", "The API server refuses it", "Mend the value", key)
    return value


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

    workload: Annotated[
        dict[str, str], AfterValidator(_labels), Field(min_length=1, examples=[{"app": "legacy-metrics"}])
    ]
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
