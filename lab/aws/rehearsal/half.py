"""What a stack makes in AWS, without what it makes in its clusters: faults and kills of the stack itself, where no lab
runs.

Each cluster has an API server that says who it is, and no more: the program asks that much before it goes on. Nothing
is made in it.
"""

from __future__ import annotations

import base64
import datetime
import json
import ssl
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.aws.rehearsal.account import AccountClient
from lab.aws.rehearsal.missing import NAMESPACE

ADDRESS = "127.0.0.1"
VERSION = "v1.35.4"


def nameless(config: dict[str, Any]) -> None:
    """Takes the public name out of a configuration: it leads to load balancers, which nobody makes here."""
    config[f"{NAMESPACE}:gateways"]["ingress"].pop("name", None)


def in_aws(urns: Iterable[str]) -> list[str]:
    """Those of a stack's resources that neither are in a cluster nor wait for something in one."""
    return [urn for urn in urns if not _in_a_cluster(urn.split("::")[2].rpartition("$")[2])]


def _in_a_cluster(kind: str) -> bool:
    # Records and their health checks lead to load balancers, whose names a Service tells.
    if kind.startswith("pulumi-python:"):
        return not kind.endswith((":Reachability", ":SigningRequest"))
    return kind.startswith(("kubernetes:", "aws:route53/"))


class _Says(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/version":
            self._answer({"gitVersion": VERSION})
        elif path == "/api/v1/namespaces":
            self._answer({"items": []})
        else:
            self._answer({"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}})

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer({})

    def _answer(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: Any) -> None:
        del format


@contextmanager
def api_servers(account: AccountClient, folder: Path, regions: Iterable[str]) -> Generator[None]:
    """An API server for the clusters of these regions of AWS, for as long as the block lasts. folder: for its files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rehearsal")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(ADDRESS))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair, key_file, kubeconfig = folder / "api.pem", folder / "api.key", folder / "api.kubeconfig"
    pair.write_bytes(pem + key_pem)
    key_file.write_bytes(key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    server = ThreadingHTTPServer((ADDRESS, 0), _Says)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    endpoint, authority = f"https://{ADDRESS}:{server.server_port}", base64.b64encode(pem).decode()
    user = {"client-certificate-data": authority, "client-key-data": base64.b64encode(key_pem).decode()}
    cluster = {"server": endpoint, "certificate-authority-data": authority}
    kubeconfig.write_text(yaml.safe_dump({"clusters": [{"cluster": cluster}], "users": [{"user": user}]}))
    threading.Thread(target=server.serve_forever, name="API servers", daemon=True).start()
    try:
        for region in regions:
            files = {"kubeconfig": str(kubeconfig), "signing_key": str(key_file)}
            account.order("back", region=region, endpoint=endpoint, authority=pem.decode(), **files)
        yield
    finally:
        server.shutdown()
        server.server_close()
