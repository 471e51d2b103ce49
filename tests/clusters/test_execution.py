"""A command in a container, as an API server runs it: over real TLS and a real WebSocket."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from components.clusters import execution
from components.clusters.api import Connection, connect
from components.clusters.execution import NotRun, execute
from tests.clusters.conftest import SERVER, TOKEN, kubeconfig

SUCCESS = b"\x03" + json.dumps({"status": "Success"}).encode()
Answer = Callable[[ServerConnection], None]


class Api:
    """An API server that takes the one call; `answer` is what a container does."""

    def __init__(self) -> None:
        self.address = ""
        self.asked: list[str] = []
        self.answer: Answer = lambda _: None

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request.path)
        if request.headers.get("Authorization") == f"Bearer {TOKEN}":
            return None
        return connection.respond(HTTPStatus.FORBIDDEN, json.dumps({"message": "pods/exec is forbidden"}))

    def run(self, connection: ServerConnection) -> None:
        self.answer(connection)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    state = Api()
    pem = tmp_path / "server.pem"
    pem.write_text(SERVER.certificate + SERVER.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with serve(
        state.run,
        "127.0.0.1",
        0,
        ssl=context,
        process_request=state.admit,
        subprotocols=["v4.channel.k8s.io"],  # pyright: ignore[reportArgumentType]
    ) as server:
        state.address = f"https://localhost:{server.socket.getsockname()[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield state
        server.shutdown()


def way(api: Api, folder: Path, token: str = TOKEN) -> Connection:
    return connect(kubeconfig(folder, api.address, {"token": token}), "use1")


def run(api: Api, folder: Path, **changes: str) -> bytes:
    return execute(
        way(api, folder, **changes), "exam", "web-1", "istio-proxy", ["pilot-agent", "request", "GET", "a?b"]
    )


def refusal(api: Api, folder: Path, **changes: str) -> str:
    with pytest.raises(NotRun) as caught:
        run(api, folder, **changes)
    return str(caught.value)


def test_the_output_comes_whole_and_without_the_other_streams(api: Api, tmp_path: Path) -> None:
    def answer(container: ServerConnection) -> None:
        for message in (b"\x01", b"\x01one ", b"\x02a warning", b"\x01two", SUCCESS):
            container.send(message)

    api.answer = answer
    assert run(api, tmp_path) == b"one two"
    (asked,) = api.asked
    assert urlsplit(asked).path == "/api/v1/namespaces/exam/pods/web-1/exec"
    assert parse_qs(urlsplit(asked).query) == {
        "container": ["istio-proxy"],
        "stdout": ["true"],
        "command": ["pilot-agent", "request", "GET", "a?b"],
    }


def test_a_command_that_fails_says_why(api: Api, tmp_path: Path) -> None:
    status = {"status": "Failure", "message": "command terminated with exit code 1"}
    api.answer = lambda container: container.send(b"\x03" + json.dumps(status).encode())
    assert refusal(api, tmp_path) == "command terminated with exit code 1"


def test_a_refusal_of_the_api_server_is_quoted(api: Api, tmp_path: Path) -> None:
    assert refusal(api, tmp_path, token="wrong") == "the API server answers 403 (pods/exec is forbidden)"


def test_an_end_without_a_status_is_no_success(api: Api, tmp_path: Path) -> None:
    api.answer = lambda container: container.send(b"\x01half of i")
    assert refusal(api, tmp_path).startswith("the connection failed (")


def test_silence_has_an_end(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "TIMEOUT", 1.5)
    api.answer = lambda _: time.sleep(3)
    assert refusal(api, tmp_path) == "there is no answer within 1.5 s"
