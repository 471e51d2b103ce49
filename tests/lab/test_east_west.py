"""The gateway between regions: mutual TLS of the mesh to named services, and nothing else."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.support.certificates import Authority, parse_bundle, spiffe_id
from tests.lab.support.inside import MESH, PORT
from tests.lab.support.site import PUBLIC, SERVICE, SYSTEM, UNDECLARED, Site
from tests.lab.support.tls import Knock, knock

NAME = f"outbound_.8080_._.{SERVICE}"


@pytest.fixture
def member(peer: Site, trust_domain: str, tmp_path: Path) -> Path:
    """A client certificate as the peer's istiod would issue it."""
    cacerts = peer.kubectl.secret(SYSTEM, "cacerts")
    authority = Authority.load(cacerts["ca-key.pem"], parse_bundle(cacerts["ca-cert.pem"]))
    return authority.client(f"spiffe://{trust_domain}/ns/{UNDECLARED}/sa/proof", tmp_path / "member.pem")


@pytest.fixture
def stranger(trust_domain: str, tmp_path: Path) -> Path:
    """A client certificate with the same identity, of a root that the mesh does not know."""
    authority = Authority.foreign(trust_domain)
    return authority.client(f"spiffe://{trust_domain}/ns/{UNDECLARED}/sa/proof", tmp_path / "stranger.pem")


def _through(home: Site, sni: str | None, client: Path | None, alpn: str = MESH) -> Knock:
    roots = home.kubectl.secret(SYSTEM, "cacerts")["root-cert.pem"]
    return knock(
        home.east_west_address(), PORT, sni=sni, host=SERVICE, trusted=roots, client=client, listen=0.5, alpn=alpn
    )


@pytest.mark.proof("D2", "mutual TLS of the mesh passes to the workload, end to end")
def test_a_member_of_the_mesh_passes(home: Site, member: Path, trust_domain: str, record: Callable[..., None]) -> None:
    answer = _through(home, NAME, member)
    assert answer.status == 200, f"{answer.reached}: {answer.error}"
    assert answer.server is not None
    # The certificate is the workload's, not the gateway's: the gateway cannot read what it passes.
    assert spiffe_id(answer.server) == home.identity(trust_domain, UNDECLARED, "deploy/echo-v1")
    assert answer.json["region"] == home.region.region, "a gateway between networks passes to its own region only"
    assert f"URI=spiffe://{trust_domain}/ns/{UNDECLARED}/sa/proof" in answer.json["headers"]["x-forwarded-client-cert"]
    other = _through(home, NAME, member, alpn="http/1.1")
    assert other.reached == "handshake", f"TLS that is not the mesh's was passed on: {other}"
    record(sni=NAME, server=spiffe_id(answer.server), region=answer.json["region"])


@pytest.mark.proof("D2", "names that are no service of the mesh are refused, with a good certificate too")
@pytest.mark.parametrize(
    "sni",
    [PUBLIC, SERVICE, f"outbound_.8080_._.{SERVICE.removesuffix('.local')}.com", "nothing.local", None],
)
def test_other_names_are_refused(home: Site, member: Path, sni: str | None, record: Callable[..., None]) -> None:
    control = _through(home, NAME, member)
    assert control.status == 200, f"the same client is refused for a right name too: {control}"
    answer = _through(home, sni, member)
    assert answer.reached == "handshake", f"{sni}: {answer}"
    assert "Timeout" not in answer.error, answer.error
    record(error=answer.error)


@pytest.mark.proof("D2", "a client certificate of a foreign root, or none, is refused by the workload")
def test_a_foreign_root_is_refused(home: Site, member: Path, stranger: Path, record: Callable[..., None]) -> None:
    control = _through(home, NAME, member)
    assert control.status == 200, f"a member is refused too: {control}"
    foreign, nobody = _through(home, NAME, stranger), _through(home, NAME, None)
    for answer, alert in ((foreign, "UNKNOWN_CA"), (nobody, "CERTIFICATE_REQUIRED")):
        assert answer.status is None, f"answered: {answer}"
        # TLS 1.3: the far end judges after the client's part of the handshake, and says so by an alert.
        assert alert in answer.error.upper().replace(" ", "_"), f"expected the alert {alert}: {answer}"
    record(foreign=foreign.error, none=nobody.error)


@pytest.mark.proof("D2", "plain text is refused")
def test_plain_text_is_refused(home: Site, record: Callable[..., None]) -> None:
    with socket.create_connection((home.east_west_address(), PORT), timeout=10) as stream:
        stream.sendall(f"GET / HTTP/1.1\r\nHost: {SERVICE}\r\n\r\n".encode())
        try:
            received = stream.recv(1024)
        except ConnectionResetError:
            received = b""
    assert received == b"", received
    record(received=len(received))
