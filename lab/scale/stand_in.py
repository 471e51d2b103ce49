"""Stand-ins for the API servers of empty clusters: as many regions as a preview is to have, without a machine for each.

A preview asks every cluster who it is and that no other mesh is in it. More it does not need: where a cluster does not
tell its kinds, the Kubernetes provider previews from what the program says. That is what is measured here, the program,
the engine and the provider; what real API servers add is a dry run of each object, side by side.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from lab.pki import Authority, write_private
from lab.tools.catalogue import KUBERNETES

LOOPBACK = IPv4Address("127.0.0.1")


class StandIns:
    """One server, a path for each region. `clusters` are entries of a stack file; `asked` counts requests by path."""

    def __init__(self, clusters: Sequence[dict[str, Any]]) -> None:
        self.clusters = tuple(clusters)
        self.asked: Counter[str] = Counter()


@contextmanager
def stand_ins(names: Sequence[str], folder: Path) -> Generator[StandIns]:
    """Serves clusters of these names for as long as the block lasts; kubeconfigs and certificates go into `folder`."""
    authority = Authority(folder, "ca", "stand-in authority")
    served = authority.issue("server", "stand-in", names=(LOOPBACK,))
    server = ThreadingHTTPServer((str(LOOPBACK), 0), _Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served.certificate, served.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    root = base64.b64encode(authority.certificate.read_bytes()).decode()
    clusters: list[dict[str, Any]] = []
    for number, name in enumerate(names, 1):
        file = folder / f"kubeconfig-{name}"
        write_private(file, _kubeconfig(name, f"https://{LOOPBACK}:{server.server_port}/{name}", root))
        # Peers are told an address that is nobody's (RFC 5737): one of this machine's own would be refused.
        address = f"https://192.0.2.{number}:6443"
        existing = {"kubeconfig": str(file), "context": name, "apiServer": address}
        clusters.append({"name": name, "region": name, "existing": existing})
    found = StandIns(clusters)
    server.asked = found.asked  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, name="stand-ins", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _kubeconfig(name: str, server: str, authority: str) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}],
            "users": [{"name": name, "user": {"token": "of-nobody"}}],
        }
    )


class _Answers(BaseHTTPRequestHandler):
    """What an empty cluster says of itself; everything else is not there."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        _, _, rest = urlsplit(self.path).path.removeprefix("/").partition("/")
        self.server.asked[rest] += 1  # type: ignore[attr-defined]
        region = self.path.split("/")[1]
        answers = {
            "version": {"major": "1", "minor": KUBERNETES.split(".")[1], "gitVersion": f"v{KUBERNETES}"},
            "api/v1/namespaces/kube-system": {"metadata": {"name": "kube-system", "uid": f"stand-in-{region}"}},
            "api/v1/namespaces": {"kind": "NamespaceList", "apiVersion": "v1", "metadata": {}, "items": []},
        }
        self._send(200, answers[rest]) if rest in answers else self._send(404, {"kind": "Status", "code": 404})

    def _send(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Silent: `asked` tells."""
