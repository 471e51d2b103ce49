"""Requests from outside: the right certificate for each host, nothing for a host that is not served."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from lab.waiting import wait_for
from tests.lab.support.certificates import Authority, dns_names, fingerprint, pem_of
from tests.lab.support.engine import NAMESPACE, Engine
from tests.lab.support.site import INGRESS, Site
from tests.lab.support.tls import knock
from tests.lab.support.visitor import visited

UNKNOWN = "unknown.example"
EXISTING = "proof-existing"
VISITS = 10  # requests a second of each client while a certificate is renewed


@pytest.fixture(scope="module")
def hosts(engine: Engine) -> list[str]:
    """Those of the stack's own services; what is offered to another team is routed once that team is there."""
    servers = engine.setting("gateways", "ingress", "servers")
    return [host for server in servers if "offeredTo" not in server for host in server["hosts"]]


@pytest.fixture(scope="module")
def authority(engine: Engine) -> bytes:
    """What the stack says that clients verify its hosts with."""
    return str(engine.outputs()["mesh"]["ingressAuthority"]).encode()


@pytest.mark.proof("D1", "443 answers each host with its own certificate, and an unknown host not at all")
def test_each_host_has_its_own_certificate(
    home: Site, engine: Engine, hosts: list[str], authority: bytes, record: Callable[..., None]
) -> None:
    address = str(engine.outputs()["clusters"][home.name]["ingress"]["address"])
    assert address == home.ingress_address()
    stranger = pem_of(*Authority.foreign("Elsewhere").chain)
    shown: dict[str, str] = {}
    services: dict[str, str] = {}
    for host in hosts:
        answer = knock(address, 443, sni=host, path="/health", trusted=authority, check_name=True)
        assert answer.status == 200, f"{host}: {answer.reached} {answer.error} {answer.status}"
        assert (answer.json["host"], answer.json["path"]) == (host, "/health")
        assert answer.server is not None
        assert dns_names(answer.server) == [host]
        services[host] = answer.json["service"]
        shown[host] = fingerprint(answer.server)[:16]
        control = knock(address, 443, sni=host, trusted=stranger, check_name=True)
        assert control.reached == "handshake", "a client that trusts another authority was satisfied"
        assert "CERTIFICATE_VERIFY_FAILED" in control.error
    assert services == {"exam-platform.com": "web-frontend", "api.exam-platform.com": "api-service"}
    assert len(set(shown.values())) == len(hosts), f"hosts share a certificate: {shown}"

    refused: dict[str, str] = {}
    for name in (UNKNOWN, f"sub.{hosts[0]}", None):
        answer = knock(address, 443, sni=name, host=hosts[0])
        assert answer.reached == "handshake", f"the name {name} was served: {answer}"
        assert "Timeout" not in answer.error, f"the name {name} hangs: {answer.error}"
        refused[str(name)] = answer.error
    behind = knock(address, 443, sni=hosts[0], host=UNKNOWN)
    assert behind.status == 404, f"an unknown host behind a known name: {behind}"
    record(address=address, certificates=shown, refused=refused)


@pytest.mark.proof("D1", "80 redirects each host to HTTPS, and serves nothing else")
def test_port_80_redirects_to_https(home: Site, hosts: list[str], record: Callable[..., None]) -> None:
    address = home.ingress_address()
    with httpx.Client(timeout=10, trust_env=False) as client:
        for host in hosts:
            answer = client.get(f"http://{address}/exam?id=7", headers={"host": host})
            assert answer.status_code == 301, f"{host}: {answer.status_code}"
            assert answer.headers["location"] == f"https://{host}/exam?id=7"
        unknown = client.get(f"http://{address}/", headers={"host": UNKNOWN})
    assert unknown.status_code == 404, f"{UNKNOWN}: {unknown.status_code}"
    record(hosts=hosts)


@pytest.fixture
def own_certificates(sites: Mapping[str, Site], hosts: list[str]) -> Generator[Authority]:
    """An authority of somebody else's, and a Secret with its certificate for the second host in every cluster."""
    owner = Authority.foreign("Somebody's CA")
    certificate, key = owner.issue(x509.DNSName(hosts[1]))
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    metadata = {"name": EXISTING, "namespace": INGRESS}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": metadata,
        "data": data,
    }
    for site in sites.values():
        site.kubectl.apply([secret])
    yield owner
    for site in sites.values():
        site.kubectl.run("delete", "secret", "-n", INGRESS, EXISTING, "--ignore-not-found")


def _set_secret(engine: Engine, file: Path, path: str, value: str) -> None:
    """Sets a secret in a copy of the stack's configuration, as the program's faults say it is set."""
    options = ("--secret", "--path", "--stack", engine.stack, "--config-file", str(file))
    # After `--`, since PEM begins with hyphens.
    engine.pulumi("config", "set", *options, "--", f"{NAMESPACE}:{path}", value)


@pytest.mark.proof(
    "D1",
    "certificates given as a stack secret and by an existing Secret are shown; one is renewed and no request fails",
)
def test_given_certificates_are_shown(
    sites: Mapping[str, Site],
    engine: Engine,
    hosts: list[str],
    authority: bytes,
    own_certificates: Authority,
    put_back: None,
    record: Callable[..., None],
) -> None:
    first, renewed = (own_certificates.issue(x509.DNSName(hosts[0])) for _ in range(2))
    changes = engine.up(_given(engine, hosts, first))
    trusted = pem_of(*own_certificates.chain)
    shown: set[str] = set()
    for site in sites.values():
        for host in hosts[:2]:

            def satisfied(site: Site = site, host: str = host) -> bool:
                address = site.ingress_address()
                answer = knock(address, 443, sni=host, path="/health", trusted=trusted, check_name=True)
                return answer.status == 200

            wait_for(satisfied, deadline=60, what=f"the given certificate of {host} at {site.name}")
            former = knock(site.ingress_address(), 443, sni=host, trusted=authority, check_name=True)
            assert former.reached == "handshake", f"{site.name} still shows the stack's own certificate for {host}"
            assert former.server is None
            shown.add(f"{site.name} {host}")
    addresses = {site.name: site.ingress_address() for site in sites.values()}
    with (
        visited(addresses, hosts[0], "/health", rate=VISITS) as anew,
        visited(addresses, hosts[0], "/health", rate=VISITS, kept=True) as kept,
    ):
        again = engine.up(_given(engine, hosts, renewed))
        started = time.monotonic()
        serial = x509.load_pem_x509_certificate(renewed[0]).serial_number
        for name, address in addresses.items():

            def shows(address: str = address) -> bool:
                found = knock(address, 443, sni=hosts[0], trusted=trusted).server
                return found is not None and found.serial_number == serial

            wait_for(shows, deadline=30, what=f"the renewed certificate at {name}")
        arrived = time.monotonic() - started
    visits = [*anew.values(), *kept.values()]
    record(
        up_s=round(changes.seconds, 1),
        shown=sorted(shown),
        renewing_up_s=round(again.seconds, 1),
        shown_after_s=round(arrived, 1),
        sent=sum(found.sent for found in visits),
        failed=sum(sum(found.failed.values()) for found in visits),
    )
    for found in visits:
        assert found.sent
        assert not found.failed, found.outcomes


def _given(engine: Engine, hosts: list[str], pair: tuple[bytes, bytes]) -> Path:
    """The stack's file with a certificate and its key for the first host, and an existing Secret for the second."""
    servers = [
        {"hosts": [hosts[0]], "tls": {"certificate": pair[0].decode()}},
        {"hosts": [hosts[1]], "tls": {"existingSecret": EXISTING}},
    ]
    file = engine.configured({"gateways": {"ingress": {"servers": servers}}})
    _set_secret(engine, file, "gateways.ingress.servers[0].tls.privateKey", pair[1].decode())
    assert "PRIVATE KEY" not in file.read_text(encoding="utf-8"), "the key is in the stack's file in plain text"
    return file
