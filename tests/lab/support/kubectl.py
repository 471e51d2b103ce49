"""kubectl against one region, as a person calls it: ``kubectl --context <region> ...``."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tests.lab.support.commands import Result, run

PROXY = "istio-proxy"  # the container of the proxy, in sidecars and gateways alike
LONG = 150.0  # seconds for calls that wait for pods themselves
TIMEOUT = 60.0  # seconds a single call may take unless it says otherwise


class Kubectl:
    """Calls of kubectl in one region.

    :param region: the region's name, which is its kubeconfig context too.
    :param env: the lab's environment (PATH with kubectl, KUBECONFIG).
    """

    def __init__(self, region: str, env: Mapping[str, str]) -> None:
        self.region = region
        self.env = env

    def command(self, *args: str) -> list[str]:
        return ["kubectl", "--context", self.region, *args]

    def run(self, *args: str, timeout: float = TIMEOUT, stdin: str | None = None, check: bool = True) -> Result:
        return run(self.command(*args), env=self.env, timeout=timeout, stdin=stdin, check=check)

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        return self.run(*arguments, stdin=stdin, timeout=LONG).out

    def text(self, *args: str, timeout: float = TIMEOUT) -> str:
        return self.run(*args, timeout=timeout).out

    def json(self, *args: str) -> dict[str, Any]:
        """The answer of a ``get`` as data."""
        return json.loads(self.text(*args, "-o", "json"))

    def items(self, *args: str) -> list[dict[str, Any]]:
        """The objects a ``get`` of several lists."""
        return self.json("get", *args)["items"]

    def apply(self, manifests: Sequence[Mapping[str, Any]]) -> None:
        self.run("apply", "-f", "-", stdin=yaml.safe_dump_all([dict(manifest) for manifest in manifests]))

    def secret(self, namespace: str, name: str) -> dict[str, bytes]:
        """The decoded data of a Secret."""
        data = self.json("get", "secret", "-n", namespace, name).get("data", {})
        return {key: base64.b64decode(value) for key, value in data.items()}

    def proxy_log(self, namespace: str, workload: str, since: str = "") -> str:
        """What the proxy of ``workload`` has logged.

        :param since: how long ago at most, in Go's notation (``120s``); by default from its start.
        """
        bounds = [f"--since={since}"] if since else []
        return self.text("logs", "-n", namespace, workload, "-c", PROXY, *bounds)

    def rolled_out(self, namespace: str, *workloads: str, timeout: float = 120.0) -> None:
        """Returns when the named workloads (``deployment/exam-service-v1``) run in their latest form."""
        for workload in workloads:
            self.run("rollout", "status", "-n", namespace, workload, f"--timeout={timeout:.0f}s", timeout=timeout + 10)

    def load_balancer_address(self, namespace: str, service: str) -> str | None:
        """The address MetalLB gave a Service, or None while it has none."""
        ingress = self.json("get", "service", "-n", namespace, service)["status"].get("loadBalancer", {}).get("ingress")
        return ingress[0]["ip"] if ingress else None
