"""What Pod objects say: who lives, which containers they have, and their proxy among these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.waiting import wait_for
from tests.lab.support.kubectl import PROXY, Kubectl


def living(kubectl: Kubectl, namespace: str, *words: str) -> list[dict[str, Any]]:
    """The pods that are not about to end.

    :param words: what `kubectl get` takes to choose: ``-l``, ``app=limited``.
    """
    found = kubectl.items("pod", "-n", namespace, *words)
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def running(kubectl: Kubectl, namespace: str, *words: str) -> list[dict[str, Any]]:
    """Those of :func:`living` that run."""
    return [pod for pod in living(kubectl, namespace, *words) if pod["status"]["phase"] == "Running"]


def containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All of a Pod or of a Pod's template; a sidecar may be a native one, among those that start first."""
    spec = pod["spec"]
    return [*spec["containers"], *spec.get("initContainers", [])]


def proxied(pod: Mapping[str, Any]) -> bool:
    """Whether it has a proxy: a sidecar's, or a gateway's own."""
    return any(container["name"] == PROXY for container in containers(pod))


def proxy_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The container of its one proxy."""
    (proxy,) = [container for container in containers(pod) if container["name"] == PROXY]
    return proxy


def end_gateways(kubectl: Kubectl, namespace: str, *words: str) -> None:
    """Ends the Envoys of gateways that are to go, at once, whoever they still serve: a pod that drains is one, and
    kubelet shortens no grace that has begun.

    :param words: as in :func:`living`.
    """
    # Before it is told to end, kubelet would start the Envoy anew.
    wait_for(lambda: not living(kubectl, namespace, *words), deadline=30, what="gateways to be told to end")
    for pod in kubectl.items("pod", "-n", namespace, *words):
        if proxied(pod):
            quit_it = ("pilot-agent", "request", "POST", "quitquitquit")
            # One that serves nobody may be gone by now.
            kubectl.run("exec", "-n", namespace, pod["metadata"]["name"], "-c", PROXY, "--", *quit_it, check=False)
