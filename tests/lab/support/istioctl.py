"""What istioctl and the proxies themselves say about certificates, endpoints and remote clusters."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.lab.support.certificates import WorkloadCertificate, parse_bundle
from tests.lab.support.commands import run

TIMEOUT = 60.0


@dataclass(frozen=True, order=True)
class Endpoint:
    """One endpoint of a cluster as a proxy holds it."""

    address: str
    port: int
    region: str
    healthy: bool


class Istioctl:
    """Calls of istioctl in one region.

    :param region: the region's name, which is its kubeconfig context too.
    :param env: the lab's environment.
    """

    def __init__(self, region: str, env: Mapping[str, str]) -> None:
        self.region = region
        self.env = env

    def text(self, *args: str) -> str:
        # What it logs would stand among what it prints: that a way into a pod was closed, say.
        command = ["istioctl", "--log_target", "stderr", "--context", self.region, *args]
        return run(command, env=self.env, timeout=TIMEOUT).out

    def certificate(self, namespace: str, workload: str) -> WorkloadCertificate:
        """The certificate chain and roots that the proxy of ``workload`` (``deploy/client``) uses now."""
        dump = json.loads(self.text("proxy-config", "secret", workload, "-n", namespace, "-o", "json"))
        active: dict[str, dict[str, Any]] = {
            entry["name"]: entry["secret"] for entry in dump.get("dynamicActiveSecrets", []) if "secret" in entry
        }
        chain = base64.b64decode(active["default"]["tlsCertificate"]["certificateChain"]["inlineBytes"])
        roots = base64.b64decode(active["ROOTCA"]["validationContext"]["trustedCa"]["inlineBytes"])
        return WorkloadCertificate(chain=parse_bundle(chain), roots=parse_bundle(roots))

    def endpoints(self, namespace: str, workload: str, host: str, port: int) -> frozenset[Endpoint]:
        """The endpoints of ``host:port`` that the proxy of ``workload`` would send requests to."""
        cluster = f"outbound|{port}||{host}"
        text = self.text("proxy-config", "endpoints", workload, "-n", namespace, "--cluster", cluster, "-o", "json")
        found: set[Endpoint] = set()
        for status in json.loads(text) or []:
            for entry in status.get("hostStatuses", []):
                socket = entry["address"]["socketAddress"]
                found.add(
                    Endpoint(
                        address=socket["address"],
                        port=int(socket["portValue"]),
                        region=entry.get("locality", {}).get("region", ""),
                        healthy=entry.get("healthStatus", {}).get("edsHealthStatus") == "HEALTHY",
                    )
                )
        return frozenset(found)

    def remote_clusters(self) -> dict[str, str]:
        """Each cluster istiod reads, to its state (``synced``)."""
        lines = self.text("remote-clusters").splitlines()
        header, rows = lines[0].split(), [line.split() for line in lines[1:] if line.strip()]
        name, status = header.index("NAME"), header.index("STATUS")
        # The local cluster has no secret: its row is a column short.
        return {row[name]: row[status if len(row) == len(header) else status - 1] for row in rows}

    def proxies(self) -> dict[str, tuple[str, str]]:
        """Each proxy that this region's istiod serves (``pod.namespace``): its cluster, and the istiod."""
        header, *rows = (line.split() for line in self.text("proxy-status").splitlines() if line.strip())
        assert header[:3] == ["NAME", "CLUSTER", "ISTIOD"], header
        return {row[0]: (row[1], row[2]) for row in rows}

    def versions(self) -> dict[str, Any]:
        """``istioctl version``: the control plane's and the proxies'."""
        return json.loads(self.text("version", "-o", "json"))
