"""One TLS connection from the host, step by step: what the server showed, and at which step it refused."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Literal

from cryptography import x509

Step = Literal["connect", "handshake", "request", "answered"]
TIMEOUT = 10.0  # seconds for each step


@dataclass(frozen=True)
class Knock:
    """How far a connection came.

    :ivar reached: the step at which it ended; ``answered`` when a whole HTTP response came back.
    :ivar error: why it ended, empty when answered.
    :ivar server: the certificate the server showed, once the handshake was done.
    :ivar status: of the HTTP response.
    """

    reached: Step
    error: str = ""
    server: x509.Certificate | None = None
    status: int | None = None
    body: bytes = b""

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


def knock(
    address: str,
    port: int,
    *,
    sni: str | None,
    host: str = "",
    path: str = "/",
    headers: Mapping[str, str] | None = None,
    trusted: bytes | None = None,
    client: Path | None = None,
    check_name: bool = False,
    listen: float = 0.0,
    alpn: str = "http/1.1",
) -> Knock:
    """Opens TLS to ``address:port`` and sends one GET.

    With TLS 1.3 a server judges the client's certificate after the client's handshake is done, so a refusal for it
    comes at the step ``request``.

    :param sni: the server name asked for; None sends none.
    :param path: sent to the letter, as no client library would.
    :param headers: sent beside Host and Connection.
    :param trusted: PEM of the authorities the server's certificate must chain to; None accepts any.
    :param client: file with key and chain to present; None presents none.
    :param listen: seconds to listen for such a refusal before the request is sent, which would otherwise be met by a
        closed connection and hide the reason.
    :param alpn: the protocol to offer in the handshake.
    :param check_name: whether the server's certificate must carry ``sni`` as a DNS name.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_name
    context.verify_mode = ssl.CERT_REQUIRED if trusted is not None else ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    if trusted is not None:
        context.load_verify_locations(cadata=trusted.decode("ascii"))
    if client is not None:
        context.load_cert_chain(client)
    step: Step = "connect"
    server: x509.Certificate | None = None
    try:
        with socket.create_connection((address, port), timeout=TIMEOUT) as plain:
            step = "handshake"
            with context.wrap_socket(plain, server_hostname=sni) as secure:
                shown = secure.getpeercert(binary_form=True)
                server = x509.load_der_x509_certificate(shown) if shown else None
                step = "request"
                _hear(secure, listen)
                lines = [f"GET {path} HTTP/1.1", f"Host: {host or sni}", "Connection: close"]
                lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
                secure.sendall("\r\n".join([*lines, "", ""]).encode())
                status, body = _response(secure)
    except (OSError, EOFError, HTTPException) as problem:
        return Knock(step, f"{type(problem).__name__}: {problem}", server)
    return Knock("answered", "", server, status, body)


def _hear(stream: ssl.SSLSocket, seconds: float) -> None:
    """Raises what the far end says by an alert; an HTTP server says nothing before the request."""
    if seconds <= 0:
        return
    stream.settimeout(seconds)
    with suppress(TimeoutError):
        if stream.recv(1) == b"":
            raise EOFError("closed after the handshake")
    stream.settimeout(TIMEOUT)


def _response(stream: socket.socket) -> tuple[int, bytes]:
    response = HTTPResponse(stream)
    response.begin()
    return response.status, response.read()
