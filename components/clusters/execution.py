"""Running a command in a container, by way of the API server, as `kubectl exec` does.

The API server takes it as a WebSocket whose messages begin with the number of a stream: subprotocol v4.channel.k8s.io
of Kubernetes (k8s.io/apimachinery, pkg/util/remotecommand).
"""

import json
import time
from collections.abc import Sequence
from urllib.parse import urlencode

from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_socket

from components.clusters.api import Connection

TIMEOUT = 15.0
"""Seconds that a command has, connecting included."""

_TRIES = 3
_CLOSING = 1.0
"""Seconds that an API server has to say goodbye."""

_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_OUTPUT, _END = 1, 3
"""Streams: what the command writes, and how it ended."""


class NotRun(Exception):
    """The command was not run to a good end; the text is a clause that says why."""


def execute(connection: Connection, namespace: str, pod: str, container: str, command: Sequence[str]) -> bytes:
    """What the command writes to its standard output. Raises NotRun.

    The command is to be one that only reads: where a connection breaks on the way, it is run again.
    """
    words = [("container", container), ("stdout", "true"), *(("command", word) for word in command)]
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urlencode(words)}"
    ends = time.monotonic() + TIMEOUT
    problem: Exception | None = None
    for _ in range(_TRIES):
        try:
            return _run(connection, path, ends)
        except InvalidStatus as refusal:
            raise NotRun(f"the API server answers {refusal.response.status_code}{_said(refusal)}") from None
        except TimeoutError:
            problem = None
        except (WebSocketException, OSError) as broken:
            problem = broken
        # A connection that is given up while it is made breaks in whatever way it is just then able to.
        if problem is None or time.monotonic() >= ends:
            raise NotRun(f"there is no answer within {TIMEOUT:g} s") from None
    raise NotRun(f"the connection failed ({problem})") from None


def _run(connection: Connection, path: str, ends: float) -> bytes:
    token = connection.token
    with connect_socket(
        connection.server.replace("https://", "wss://", 1) + path,
        ssl=connection.tls,
        subprotocols=list(_PROTOCOLS),  # pyright: ignore[reportArgumentType]
        additional_headers={"Authorization": f"Bearer {token}"} if token else {},
        open_timeout=TIMEOUT,
        close_timeout=_CLOSING,
        max_size=None,
    ) as socket:
        return _read(socket, ends)


def _read(socket: ClientConnection, ends: float) -> bytes:
    written: list[bytes] = []
    while True:
        message = socket.recv(timeout=max(ends - time.monotonic(), 0), decode=False)
        if message[:1] == bytes([_OUTPUT]):
            written.append(message[1:])
        elif message[:1] == bytes([_END]):
            status = json.loads(message[1:])
            if status.get("status") != "Success":
                raise NotRun(str(status.get("message", "the command failed")))
            return b"".join(written)


def _said(problem: InvalidStatus) -> str:
    try:
        return f" ({json.loads(problem.response.body)['message']})"
    except (ValueError, KeyError, TypeError):
        return ""
