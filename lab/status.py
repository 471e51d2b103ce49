"""What runs in each region, gathered from the regions themselves."""

from __future__ import annotations

import base64
import datetime
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
from cryptography import x509

from lab import components, environment, stack, tenant
from lab.kube_api import KubeApi, Object
from lab.paths import Paths
from lab.region import RegionRuntime, node_ready
from lab.regions import Topology

ISTIO = "istio-system"
INGRESS = "istio-ingress"
INGRESS_GATEWAY = f"{INGRESS}/ingress"
"""The Gateway of the public hosts."""

TENANT = tenant.NAMESPACE
SYNCED = "synced"


@dataclass(frozen=True)
class Gateway:
    """A gateway of the mesh: its Service's name, the address it got, and whether its pods are ready."""

    name: str
    address: str | None
    ready: bool


@dataclass(frozen=True)
class Certificate:
    """A certificate of a region: what it is for, and its validity in UTC."""

    what: str
    since: datetime.datetime
    until: datetime.datetime

    @classmethod
    def parse(cls, what: str, pem: bytes) -> Certificate:
        """From the first certificate of a PEM text."""
        certificate = x509.load_pem_x509_certificate(pem)
        return cls(what, certificate.not_valid_before_utc, certificate.not_valid_after_utc)

    def describe(self, now: datetime.datetime) -> str:
        """Age, and what is left."""
        return f"{self.what}: {_span(now - self.since)} old, {_span(self.until - now)} left"


def _span(length: datetime.timedelta) -> str:
    if length < datetime.timedelta():
        return "nothing"
    if length >= datetime.timedelta(days=2):
        return f"{length.days} d"
    if length >= datetime.timedelta(hours=2):
        return f"{length.seconds // 3600 + length.days * 24} h"
    return f"{int(length.total_seconds() // 60)} min"


@dataclass
class RegionStatus:
    """What was found in one region.

    Attributes:
        name: Of the region.
        stopped: Components that do not serve.
        node_ready: Whether its node takes pods.
        istiod: Version and readiness of each control plane; empty without a mesh.
        gateways: Of the mesh.
        remotes: Each other cluster that istiod knows, with its state.
        certificates: Of the API server and of the mesh.
        hosts: Host names that requests from outside are routed for.
        faults: What is wrong, each as a few words; empty when all is up.
    """

    name: str
    stopped: tuple[str, ...] = ()
    node_ready: bool = False
    istiod: dict[str, bool] = field(default_factory=dict[str, bool])
    gateways: tuple[Gateway, ...] = ()
    remotes: dict[str, str] = field(default_factory=dict[str, str])
    certificates: tuple[Certificate, ...] = ()
    hosts: tuple[str, ...] = ()
    faults: list[str] = field(default_factory=list[str])


def gather(runtimes: Sequence[RegionRuntime], paths: Paths) -> list[RegionStatus]:
    """Ask all regions, side by side."""
    with ThreadPoolExecutor(len(runtimes)) as pool:
        return list(pool.map(lambda runtime: _gather(runtime, paths), runtimes))


def _gather(runtime: RegionRuntime, paths: Paths) -> RegionStatus:
    status = RegionStatus(runtime.region.name)
    status.stopped = tuple(name for name in components.NAMES if not runtime.component(name).serving)
    status.faults += [f"{name} does not serve" for name in status.stopped]
    api_certificate = runtime.paths.pki / "kube-apiserver.crt"
    status.certificates = (Certificate.parse("API server", api_certificate.read_bytes()),)
    if "kube-apiserver" in status.stopped:
        return status
    try:
        with KubeApi(runtime.paths.kubeconfig) as api:
            status.node_ready = node_ready(api, runtime.region)
            if not status.node_ready:
                status.faults.append("the node is not ready")
            _mesh(api, status)
    except httpx.HTTPError as error:
        status.faults.append(f"the API server does not answer ({error})")
        return status
    if status.istiod:
        _remotes(runtime, paths, status)
    return status


def _mesh(api: KubeApi, status: RegionStatus) -> None:
    deployments = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): item
        for namespace in (ISTIO, INGRESS)
        for item in api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"]
    }
    for (_, name), item in deployments.items():
        if item["metadata"].get("labels", {}).get("app") == "istiod":
            version = item["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]
            status.istiod[f"{name} {version}"] = _available(item)
    if not status.istiod:
        status.faults.append("no istiod: the mesh is not deployed (make up)")
        return
    status.faults += [f"{name} is not ready" for name, ready in status.istiod.items() if not ready]
    services = [
        item
        for namespace in (ISTIO, INGRESS)
        for item in api.get(f"/api/v1/namespaces/{namespace}/services")["items"]
        if item["spec"].get("type") == "LoadBalancer"
    ]
    status.gateways = tuple(_gateway(item, deployments) for item in services)
    if not status.gateways:
        status.faults.append("no gateway")
    for gateway in status.gateways:
        if not gateway.address:
            status.faults.append(f"the gateway {gateway.name} has no address")
        if not gateway.ready:
            status.faults.append(f"the gateway {gateway.name} is not ready")
    status.certificates += tuple(_mesh_certificates(api))
    status.hosts = public_hosts(api.get("/apis/networking.istio.io/v1/virtualservices").get("items", []))


def public_hosts(virtual_services: Sequence[Object]) -> tuple[str, ...]:
    """The hosts that the ingress routes. Not every gateway is the ingress: that between networks may lead to istiod."""
    return tuple(
        host
        for item in virtual_services
        if INGRESS_GATEWAY in item["spec"].get("gateways", [])
        for host in item["spec"]["hosts"]
    )


def _available(deployment: Object) -> bool:
    state = deployment.get("status", {})
    return state.get("availableReplicas", 0) >= deployment["spec"].get("replicas", 1) > 0


def _gateway(service: Object, deployments: Mapping[tuple[str, str], Object]) -> Gateway:
    metadata = service["metadata"]
    addresses = service["status"].get("loadBalancer", {}).get("ingress", [])
    deployment = deployments.get((metadata["namespace"], metadata["name"]))
    return Gateway(
        metadata["name"],
        addresses[0].get("ip") if addresses else None,
        deployment is not None and _available(deployment),
    )


def _mesh_certificates(api: KubeApi) -> list[Certificate]:
    try:
        data = api.get(f"/api/v1/namespaces/{ISTIO}/secrets/cacerts")["data"]
    except httpx.HTTPStatusError:
        return []
    return [
        Certificate.parse(what, base64.b64decode(data[key]))
        for what, key in (("intermediate", "ca-cert.pem"), ("root", "root-cert.pem"))
        if key in data
    ]


def _remotes(runtime: RegionRuntime, paths: Paths, status: RegionStatus) -> None:
    istioctl = str(runtime.toolset.path("istioctl"))
    # Without the option its log stands among the lines of the table.
    command = (istioctl, "--log_target=stderr", "remote-clusters", f"--kubeconfig={runtime.paths.kubeconfig}")
    variables = environment.process_environment(paths, runtime.topology)
    try:
        result = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        status.faults.append("istiod does not say which clusters it knows (20 s)")
        return
    if result.returncode:
        status.faults.append(f"istiod does not say which clusters it knows ({' '.join(result.stderr.split())[:200]})")
        return
    status.remotes = remote_clusters(result.stdout)
    for peer in runtime.topology.peers(runtime.region):
        state = status.remotes.get(peer.name, "unknown")
        if state != SYNCED:
            status.faults.append(f"the remote cluster {peer.name} is {state}, not {SYNCED}")


def remote_clusters(table: str) -> dict[str, str]:
    """Each cluster with its state, from the table that `istioctl remote-clusters` prints.

    The secret's column is empty for the own cluster, so words are counted neither from the left nor from the right: the
    state stands between the secret, which has a slash, and the name of istiod's pod.
    """
    states: dict[str, str] = {}
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) < 2:
            continue
        name, *rest = words
        state = rest[1] if "/" in rest[0] and len(rest) > 1 else rest[0]
        # Several replicas of istiod: the one that is behind counts.
        if states.get(name, SYNCED) == SYNCED:
            states[name] = state
    return states


def first_request(topology: Topology, statuses: Sequence[RegionStatus], paths: Paths) -> str:
    """The line that sends a first request from this machine, as it stands: through the ingress gateway where a host is
    routed, else from a pod to a service that both regions have."""
    for status in statuses:
        address = next((gateway.address for gateway in status.gateways if "ingress" in gateway.name), None)
        if address and status.hosts and paths.ingress_authority.exists():
            # The platform's own name before those below it.
            host = min(status.hosts, key=lambda name: (name.count("."), name))
            authority = paths.ingress_authority.relative_to(paths.root)
            trust = f"--cacert {authority} " if paths.ingress_authority.stat().st_size else ""
            return f"curl --noproxy '*' {trust}--resolve {host}:443:{address} https://{host}/"
    name = topology.regions[0].name
    return (
        f". .lab/env && kubectl --context {name} -n {TENANT} exec deploy/web-frontend -c {tenant.CONTAINER} -- "
        f"/tenant get -url http://exam-service.{TENANT}:8080/"
    )


def keep_ingress_authority(topology: Topology, paths: Paths) -> None:
    """Write what clients verify the ingress certificates with, out of the stack's outputs, to `.lab/ingress-ca.pem`.

    Asks the engine only where the stack was changed since the file was written.

    Raises:
        LabError: The stack has no outputs.
    """
    kept, state = paths.ingress_authority, stack.state(paths)
    if state and kept.exists() and kept.stat().st_mtime > state.stat().st_mtime:
        return
    # Nothing is generated where every host has a certificate of its own: curl then takes the system's authorities.
    kept.write_text(stack.output(topology, paths, "mesh").get("ingressAuthority") or "")
