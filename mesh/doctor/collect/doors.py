"""TLS handshakes from this machine: who stands behind a gateway, and what certificates it shows.

No request is sent, and no identity shown: with TLS 1.3 a server shows its chain before it judges the client.
"""

import socket
import ssl
from collections.abc import Sequence
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mesh.doctor.facts import Certificates, Door

EAST_WEST_PORT = 15443
TIMEOUT = 1.5
"""Seconds of each step."""


def east_west(address: str, host: str, port: int, roots: Certificates) -> Door:
    """A service behind a gateway between networks, as the proxies of other regions ask for it."""
    name = f"outbound_.{port}_._.{host}"
    return _knock(address, EAST_WEST_PORT, name, shown=f"{host}:{port}", roots=roots, alpn=("istio",), named=False)


def ingress(address: str, host: str, roots: Certificates | None) -> Door:
    """A public host; `roots` None takes the authorities that this machine trusts."""
    # One below the wildcard stands for all of them.
    name = host.replace("*", "any", 1)
    return _knock(address, 443, name, shown=host, roots=roots, alpn=("h2", "http/1.1"), named=True)


def _knock(
    address: str,
    port: int,
    name: str,
    *,
    shown: str,
    roots: Certificates | None,
    alpn: Sequence[str],
    named: bool,
) -> Door:
    where = f"{address}:{port}"
    refused = ""
    try:
        return Door(where, shown, _chain(address, port, name, _verifying(roots, alpn, named)))
    except ssl.SSLCertVerificationError as problem:
        refused = problem.verify_message
    except OSError as problem:
        return Door(where, shown, error=_reason(problem))
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    trusting.set_alpn_protocols(alpn)
    try:
        return Door(where, shown, _chain(address, port, name, trusting), refused=refused)
    except OSError as problem:
        return Door(where, shown, error=_reason(problem))


def _verifying(roots: Certificates | None, alpn: Sequence[str], named: bool) -> ssl.SSLContext:
    if roots is None:
        context = ssl.create_default_context()
    else:
        pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in roots)
        context = ssl.create_default_context(cadata=pem.decode())
    context.check_hostname = named
    context.set_alpn_protocols(alpn)
    return context


def _chain(address: str, port: int, name: str, context: ssl.SSLContext) -> Certificates:
    with (
        socket.create_connection((address, port), timeout=TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        # Public from Python 3.13 on; before, the object below has it (gh-109109).
        within: Any = getattr(secure, "_sslobj", None)
        if hasattr(within, "get_unverified_chain"):
            chain = cast(list[Any], within.get_unverified_chain() or [])
            return tuple(x509.load_pem_x509_certificate(each.public_bytes().encode()) for each in chain)
        leaf = secure.getpeercert(binary_form=True)
        return (x509.load_der_x509_certificate(leaf),) if leaf else ()


def _reason(problem: OSError) -> str:
    if isinstance(problem, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(problem, ssl.SSLError):
        return f"the handshake was ended ({problem.reason or 'closed'})".lower()
    return (problem.strerror or str(problem) or type(problem).__name__).lower()
