"""What a deployed rehearsal lays over a stack's file, lab/rehearsal.yaml, and no more."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError

FILE = Path(__file__).parents[2] / "rehearsal.yaml"

ALLOWED = (
    "istio-mesh:mesh.charts",
    "istio-mesh:mesh.images",
    "istio-mesh:mesh.dataPlane",
    "istio-mesh:mesh.istiod.replicas",
    "istio-mesh:mesh.istiod.resources",
    "istio-mesh:mesh.proxies.resources",
    "istio-mesh:aws.loadBalancerController.charts",
    "istio-mesh:gateways.drain.atLeast",
    "istio-mesh:gateways.ingress.replicas",
    "istio-mesh:gateways.ingress.resources",
    "istio-mesh:gateways.eastWest.replicas",
    "istio-mesh:gateways.eastWest.resources",
)
"""What it may set: where charts and images come from, the lab's Envoy, sizes, how long its load balancers need.
Anything else would rehearse another stack."""


def load(file: Path = FILE) -> dict[str, Any]:
    """The overlay.

    Raises:
        LabError: It sets something that it must not.
    """
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    for path in _paths("", content):
        if not any(path == each or path.startswith(f"{each}.") for each in ALLOWED):
            raise LabError(
                f"{file.name}: {path} is none of what a rehearsal may change ({', '.join(ALLOWED)}): it would rehearse "
                "another stack than the one that is deployed. Take it out."
            )
    return content


def _paths(start: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _paths(f"{start}.{key}" if start else str(key), each)
    else:
        yield start


def laid_over(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with another one laid over it: objects are merged, anything else takes the place of what was."""
    result = dict(copy.deepcopy(base))
    for key, value in overlay.items():
        old = result.get(key)
        result[key] = laid_over(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result
