"""Handshakes with what stands behind gateways, against TLS servers on this machine."""

import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mesh.doctor.collect import doors
from tests.builders import Pair, authority
from tests.doctor.mesh import certificates

HOST = "api.exam.svc.cluster.local"
ROOT = authority("Root of doors")
LEAF = authority("leaf", issuer=ROOT, ca=False, hosts=("exam-platform.com", f"outbound_.8080_._.{HOST}"))


@contextmanager
def server(
    folder: Path, leaf: Pair = LEAF, *, asks: bool = True, speaks: bool = True
) -> Generator[tuple[int, list[str]]]:
    """A TLS server that asks for a client's certificate, as a sidecar does: its port, and the names asked for."""
    names: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = folder / "leaf.pem"
    file.write_text(leaf.key + leaf.certificate + ROOT.certificate)
    context.load_cert_chain(file)
    context.set_alpn_protocols(["istio", "h2"])
    context.sni_callback = lambda _connection, name, _context: names.append(name)  # pyright: ignore[reportAttributeAccessIssue]
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=ROOT.certificate)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                if speaks:
                    try:
                        context.wrap_socket(connection, server_side=True).close()
                    except OSError:
                        continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], names
    finally:
        listener.close()
        thread.join(6)


def test_the_chain_of_a_workload_is_seen_without_an_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as (port, names):
        monkeypatch.setattr(doors, "EAST_WEST_PORT", port)
        door = doors.east_west("127.0.0.1", HOST, 8080, certificates(ROOT))
    assert (door.error, door.refused, door.name) == ("", "", f"{HOST}:8080")
    assert door.chain[:1] == certificates(LEAF)
    assert names == [f"outbound_.8080_._.{HOST}"]


def test_a_chain_of_somebody_else_is_shown_with_why_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server(tmp_path) as (port, _):
        monkeypatch.setattr(doors, "EAST_WEST_PORT", port)
        door = doors.east_west("127.0.0.1", HOST, 8080, certificates(authority("Somebody")))
    assert door.chain[:1] == certificates(LEAF)
    assert "self-signed certificate" in door.refused


def test_a_gateway_that_hangs_up_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path, speaks=False) as (port, _):
        monkeypatch.setattr(doors, "EAST_WEST_PORT", port)
        door = doors.east_west("127.0.0.1", HOST, 8080, certificates(ROOT))
    assert door.chain == ()
    assert door.error


def test_a_gateway_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    monkeypatch.setattr(doors, "EAST_WEST_PORT", port)
    door = doors.east_west("127.0.0.1", HOST, 8080, certificates(ROOT))
    assert (door.chain, door.error) == ((), "connection refused")
