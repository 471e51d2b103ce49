"""An API server of a few lines, over real TLS, for what is asked before there is a provider."""

import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.builders import authority, intermediate

ROOT = authority("API")
SERVER = intermediate("127.0.0.1", ROOT, ca=False, path_length=None, key_cert_sign=False, hosts=["localhost"])
TOKEN = "right-token"


@dataclass
class ApiServer:
    """Answers `/version` to anyone and kube-system to the right token; `answers` overrides by path."""

    address: str = ""
    answers: dict[str, int] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    """Labels by name, for a list of the one namespace that its selector names."""
    silent: threading.Event = field(default_factory=threading.Event)
    """While set, it takes connections and answers nothing until `release`."""
    release: threading.Event = field(default_factory=threading.Event)

    def reply(self, path: str, token: str) -> tuple[int, dict[str, Any]]:
        if path in self.answers:
            return self.answers[path], {"message": f"said with {self.answers[path]}"}
        if path == "/version":
            return 200, {"gitVersion": "v1.35.4"}
        if token != f"Bearer {TOKEN}":
            return 401, {}
        _, listed, name = path.partition("?fieldSelector=metadata.name%3D")
        if listed:
            labels = self.namespaces.get(name)
            return 200, {"items": [] if labels is None else [{"metadata": {"name": name, "labels": labels}}]}
        return 200, {"metadata": {"uid": "d2fcc802"}}


def kubeconfig(folder: Path, server: str, user: dict[str, Any], *, root: str = ROOT.certificate) -> str:
    """The path of a kubeconfig with the one context `use1`."""
    (folder / "ca.pem").write_text(root)
    document = {
        "contexts": [{"name": "use1", "context": {"cluster": "use1", "user": "use1"}}],
        "clusters": [
            {"name": "use1", "cluster": {"server": server, "certificate-authority": str(folder / "ca.pem")}},
        ],
        "users": [{"name": "use1", "user": user}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return str(path)


@pytest.fixture
def api_server(tmp_path: Path) -> Iterator[ApiServer]:
    state = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if state.silent.is_set():
                state.release.wait(10)
                return
            status, body = state.reply(self.path, self.headers.get("Authorization", ""))
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's name)
            """Nothing: the tests' output is for the tests."""

    pem = tmp_path / "server.pem"
    pem.write_text(SERVER.certificate + SERVER.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    state.address = f"https://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield state
    state.release.set()
    server.shutdown()
    server.server_close()
