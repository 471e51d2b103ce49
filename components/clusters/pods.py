"""What a Pod says of its containers, as an API server has it."""

from collections.abc import Mapping
from typing import Any

from components.naming import PROXY_CONTAINER


def containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All of a pod; a sidecar may be a native one, among those that start first."""
    spec = pod.get("spec", {})
    return [*spec.get("containers", []), *spec.get("initContainers", [])]


def has_proxy(pod: Mapping[str, Any]) -> bool:
    """Whether it has a proxy: a sidecar's, or a gateway's own."""
    return any(container["name"] == PROXY_CONTAINER for container in containers(pod))
