"""The documented way to the same mesh, to measure against: istioctl's steps for primaries on different networks.

Istio's page "Install Multi-Primary on different networks", step by step and in its order, one cluster after the other,
with the lab's images and the switches for its Envoy. Certificates are made beforehand and not timed: the page's own way
makes RSA keys of 4096 bits, and how long that takes is chance.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from components.trust import certificates
from lab.errors import LabError
from lab.regions import Region, Topology

MESH_ID = "mesh1"
NAMESPACE = "istio-system"
FILES = ("ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem")


class Baseline:
    """Installs and removes the mesh with istioctl and kubectl. `environment` has both on PATH, and KUBECONFIG."""

    def __init__(self, topology: Topology, environment: Mapping[str, str], *, hub: str, tag: str) -> None:
        self._regions = topology.regions
        self._environment = dict(environment)
        self._hub, self._tag = hub, tag

    def install(self, secrets: Path) -> None:
        """Every step of the page; `secrets` holds a directory per region as `make_certificates` leaves it.

        Raises:
            LabError: A step failed; says which, and what it printed.
        """
        for region in self._regions:
            self._kubectl(region, "create", "namespace", NAMESPACE)
            files = [f"--from-file={secrets / region.name / name}" for name in FILES]
            self._kubectl(region, "create", "secret", "generic", "cacerts", "-n", NAMESPACE, *files)
        for region in self._regions:
            self._kubectl(region, "label", "namespace", NAMESPACE, f"topology.istio.io/network={region.name}")
            self._istioctl(region, "install", "-y", "-f", "-", stdin=yaml.safe_dump(self._control_plane(region)))
            self._istioctl(region, "install", "-y", "-f", "-", stdin=yaml.safe_dump(self._east_west(region)))
            self._kubectl(region, "apply", "-n", NAMESPACE, "-f", "-", stdin=yaml.safe_dump(CROSS_NETWORK_GATEWAY))
        for read in self._regions:
            for peer in self._regions:
                if read is not peer:
                    secret = self._istioctl(read, "create-remote-secret", f"--name={read.name}")
                    self._kubectl(peer, "apply", "-f", "-", stdin=secret)

    def remove(self) -> None:
        """The page's clean-up, and the custom resource definitions that it leaves."""
        for region in self._regions:
            self._istioctl(region, "uninstall", "-y", "--purge")
            self._kubectl(region, "delete", "namespace", NAMESPACE)
            definitions = self._kubectl(region, "get", "crd", "-o", "name").split()
            istio = [name for name in definitions if name.endswith(".istio.io")]
            if istio:
                self._kubectl(region, "delete", *istio)

    def _control_plane(self, region: Region) -> dict[str, object]:
        values = {
            "global": {
                "meshID": MESH_ID,
                "multiCluster": {"clusterName": region.name},
                "network": region.name,
                "imagePullPolicy": "Never",
                "proxy": {"resources": {"requests": {"cpu": "10m", "memory": "48Mi"}}},
            },
            "pilot": {
                "env": {"PILOT_ENABLE_ALPN_FILTER": "false", "PILOT_ENABLE_METADATA_EXCHANGE": "false"},
                "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
                "autoscaleEnabled": False,
            },
            "telemetry": {"enabled": False},
        }
        return _operator({"hub": self._hub, "tag": self._tag, "values": values})

    def _east_west(self, region: Region) -> dict[str, object]:
        ports = {"status-port": 15021, "tls": 15443, "tls-istiod": 15012, "tls-webhook": 15017}
        gateway = {
            "name": "istio-eastwestgateway",
            "enabled": True,
            "label": {
                "istio": "eastwestgateway",
                "app": "istio-eastwestgateway",
                "topology.istio.io/network": region.name,
            },
            "k8s": {
                "env": [{"name": "ISTIO_META_REQUESTED_NETWORK_VIEW", "value": region.name}],
                "service": {
                    "ports": [{"name": name, "port": port, "targetPort": port} for name, port in ports.items()]
                },
            },
        }
        values = {
            "gateways": {"istio-ingressgateway": {"injectionTemplate": "gateway"}},
            "global": {"network": region.name, "imagePullPolicy": "Never"},
        }
        spec = {
            "revision": "",
            "profile": "empty",
            "hub": self._hub,
            "tag": self._tag,
            "components": {"ingressGateways": [gateway]},
            "values": values,
        }
        return _operator(spec, name="eastwest")

    def _kubectl(self, region: Region, *words: str, stdin: str = "") -> str:
        return self._run(("kubectl", "--context", region.name, *words), stdin)

    def _istioctl(self, region: Region, *words: str, stdin: str = "") -> str:
        return self._run(("istioctl", "--context", region.name, *words), stdin)

    def _run(self, command: Sequence[str], stdin: str) -> str:
        done = subprocess.run(command, env=self._environment, input=stdin, text=True, capture_output=True, check=False)
        if done.returncode:
            raise LabError(f"`{' '.join(command[:5])} ...` failed: {(done.stderr or done.stdout).strip()[-500:]}")
        return done.stdout


CROSS_NETWORK_GATEWAY = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "cross-network-gateway"},
    "spec": {
        "selector": {"istio": "eastwestgateway"},
        "servers": [
            {
                "port": {"number": 15443, "name": "tls", "protocol": "TLS"},
                "tls": {"mode": "AUTO_PASSTHROUGH"},
                "hosts": ["*.local"],
            }
        ],
    },
}


def make_certificates(topology: Topology, folder: Path) -> None:
    """A root and an intermediate per region, in the files that the page's step "plug in CA certificates" leaves."""
    now = datetime.now(UTC)
    root = certificates.make_root(organization="Istio", common_name="Root CA", lifetime=timedelta(days=3650), now=now)
    for region in topology.regions:
        made = certificates.make_intermediate(
            root, organization="Istio", common_name=region.name, lifetime=timedelta(days=730), now=now
        )
        directory = folder / region.name
        directory.mkdir(mode=0o700)
        contents = (made.certificate, made.private_key, made.certificate + root.certificate, root.certificate)
        for name, content in zip(FILES, contents, strict=True):
            (directory / name).write_text(content)


def secrets_folder() -> tempfile.TemporaryDirectory[str]:
    """Where the certificates are for as long as they are needed: readable by the caller alone."""
    return tempfile.TemporaryDirectory(prefix="istio-mesh-baseline-")


def _operator(spec: dict[str, object], name: str | None = None) -> dict[str, object]:
    manifest: dict[str, object] = {"apiVersion": "install.istio.io/v1alpha1", "kind": "IstioOperator", "spec": spec}
    return manifest | ({"metadata": {"name": name}} if name else {})
