"""Plain text: refused everywhere in the mesh, but on the one port that the stack names."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Mapping

import pytest

from lab.waiting import wait_for
from tests.lab.support.engine import Engine
from tests.lab.support.site import EXAM, FRONTEND, UNDECLARED, WEB, Site, host_of

PLAIN_REQUEST = "GET /healthz HTTP/1.1\r\nHost: plain\r\nConnection: close\r\n\r\n"
LEGACY = "legacy-metrics"
PLAIN = "echo"
NAMESPACES = {PLAIN: UNDECLARED, LEGACY: EXAM}  # the workloads that are knocked at
PORTS = {"http": 8080, "permitted": 8081}
TIMEOUT = 5.0


@pytest.fixture(scope="module")
def published(sites: Mapping[str, Site]) -> Generator[Mapping[tuple[str, str], str]]:
    """Workloads published past the gateways, by (region, workload): addresses that reach their sidecars directly."""
    services = {workload: f"plain-{workload}" for workload in NAMESPACES}
    for site in sites.values():
        site.kubectl.apply([_load_balancer(name, workload) for workload, name in services.items()])
    yield {
        (site.name, workload): wait_for(
            lambda call=(NAMESPACES[workload], name), site=site: site.kubectl.load_balancer_address(*call),
            deadline=60,
            what=f"an address for {name} in {site.name}",
        )
        for site in sites.values()
        for workload, name in services.items()
    }
    for site in sites.values():
        for workload, name in services.items():
            site.kubectl.run("delete", "service", "-n", NAMESPACES[workload], name, "--ignore-not-found")


def _load_balancer(name: str, workload: str) -> dict[str, object]:
    ports = [{"name": f"http-{role}", "port": port} for role, port in PORTS.items()]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACES[workload]},
        "spec": {"type": "LoadBalancer", "selector": {"app": workload}, "ports": ports},
    }


def _knock_from_host(address: str, port: int) -> str:
    """What the far end answers to a plain request: the status line, or `` when it hangs up without a word."""
    with socket.create_connection((address, port), timeout=TIMEOUT) as stream:
        stream.sendall(PLAIN_REQUEST.encode())
        try:
            return stream.recv(4096).decode("latin-1").partition("\r\n")[0]
        except ConnectionResetError:
            return ""


def _knock_from_pod(site: Site, address: str, port: int) -> str:
    """The same from a pod outside the mesh."""
    result = site.outsider().tcp(f"{address}:{port}", send=PLAIN_REQUEST, listen="2s")
    kind = (result["error"] or {}).get("kind", "")
    assert result["connected"], f"{address}:{port} was not reached, which proves nothing: {result['error']}"
    # A silent end of two seconds without a close would be a connection that was taken and is waiting for more.
    assert result["received"] or result["closed"] or kind in ("reset", "closed"), (
        f"{address}:{port} neither answered nor refused"
    )
    return str(result["received"]).partition("\r\n")[0]


@pytest.mark.proof("F1", "plain text is refused from the region, another region and the host; the named port takes it")
def test_plain_text_is_refused_but_on_the_named_port(
    home: Site, peer: Site, published: Mapping[tuple[str, str], str], record: Callable[..., None]
) -> None:
    senders: dict[str, Callable[[str, int], str]] = {
        "host": _knock_from_host,
        "pod of the region": lambda address, port: _knock_from_pod(home, address, port),
        "pod of another region": lambda address, port: _knock_from_pod(peer, address, port),
    }
    answered: dict[str, str] = {}
    for sender, knock in senders.items():
        for workload in NAMESPACES:
            for port in PORTS.values():
                answered[f"{sender} to {workload}:{port}"] = knock(published[home.name, workload], port)
    accepted = {what for what, line in answered.items() if line}
    assert accepted == {f"{sender} to {LEGACY}:8081" for sender in senders}, answered
    assert {answered[what] for what in accepted} == {"HTTP/1.1 200 OK"}, answered
    record(accepted=sorted(accepted), refused=len(answered) - len(accepted))


@pytest.mark.proof("F1", "of all ports of all pods in the mesh only the named one takes plain text")
def test_no_other_port_of_any_pod_takes_plain_text(home: Site, engine: Engine, record: Callable[..., None]) -> None:
    permitted = {
        (entry["workload"]["app"], port)
        for entry in engine.setting("security", "permissive")
        for port in entry["ports"]
    }
    assert permitted == {(LEGACY, 8081)}
    pods = home.kubectl.items("pod", "-n", EXAM, "--field-selector=status.phase=Running")
    tried: set[tuple[str, int]] = set()
    accepted: set[tuple[str, int]] = set()
    for pod in pods:
        app = pod["metadata"]["labels"]["app"]
        ports = {
            port["containerPort"] for container in pod["spec"]["containers"] for port in container.get("ports", [])
        }
        for port in sorted(port for port in ports if port not in PROXY_PORTS):
            tried.add((app, port))
            if _knock_from_pod(home, pod["status"]["podIP"], port):
                accepted.add((app, port))
    record(pods=len(pods), ports=len(tried), accepted=sorted(f"{app}:{port}" for app, port in accepted))
    assert len(tried) >= 8, f"only {sorted(tried)} were tried"
    assert accepted == permitted


# Ports of the proxy itself, which are no part of the mesh's traffic: metrics and health.
PROXY_PORTS = frozenset({15020, 15021, 15090})


@pytest.mark.proof("F1", "the same ports answer over mutual TLS, the named one as well")
def test_the_mesh_reaches_the_same_ports(home: Site, trust_domain: str, record: Callable[..., None]) -> None:
    callers = {PLAIN: (UNDECLARED, FRONTEND), LEGACY: (EXAM, WEB)}
    for workload, caller in callers.items():
        identity = home.identity(trust_domain, *caller)
        host = host_of(workload, NAMESPACES[workload])
        answer = home.caller(*caller).get(f"http://{host}:8080/")
        assert answer.status == 200, f"{host}:8080: {answer.status} {answer.error}"
        assert answer.peer_certificate["URI"] == identity, host
        answer = home.caller(*caller).get(f"http://{host}:8081/healthz")
        assert answer.status == 200, f"{host}:8081: {answer.status} {answer.error}"
    record(callers=[home.identity(trust_domain, *caller) for caller in callers.values()])
