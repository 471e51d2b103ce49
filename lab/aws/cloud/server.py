"""The account as a server."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from lab.aws.cloud import rules
from lab.aws.cloud.around import CLOCK
from lab.aws.cloud.control import Application, Call, Control, answer, call_of
from lab.aws.cloud.eks import state
from lab.aws.cloud.orders import carry_out
from lab.aws.cloud.rest_json import Refused, parameters, refusal
from lab.aws.cloud.tokens import Asked
from lab.aws.place import ORDERS


class Account:
    """The requests' way: to the rehearsal's own door, into a fault, or to moto. One at a time: moto's tables are not
    made for more, and what takes long on AWS is not a long call, but a state that is asked for again.
    """

    def __init__(self, inner: Application) -> None:
        self._inner = inner
        self.control = Control()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        path = environ["PATH_INFO"]
        if path.startswith(ORDERS):
            with CLOCK.lock:
                status, content = carry_out(self.control, path.removeprefix(ORDERS), json.loads(body or b"{}"))
            if isinstance(content, Asked):
                # An API server is asked for it, which may take as long as it likes: not under the lock.
                status, content = content.answer()
            return _respond(start_response, status, "application/json", json.dumps(content, default=str).encode())
        call = call_of(environ, body)
        with CLOCK.lock:
            fault = self.control.met(call) if call else None
            if call:
                self.control.journal.append(call)
            if call and fault and not fault.done:
                call.status, call.error = fault.status, fault.code
                return _respond(start_response, *answer(fault, call.service))
            statuses: list[int] = []

            def start(line: str, headers: Any, problem: Any = None) -> Any:
                statuses.append(int(line.split()[0]))
                return (lambda _: None) if fault else start_response(line, headers, problem)

            if call and call.service == "eks":
                content = _eks(call, environ.get("QUERY_STRING", ""), body, start)
            else:
                content = list(self._inner(environ, start))
            if call:
                call.status = statuses[0] if statuses else 0
            if call and fault:
                call.status, call.error = fault.status, fault.code
                return _respond(start_response, *answer(fault, call.service))
            return content


def _eks(call: Call, query: str, body: bytes, start_response: Callable[..., Any]) -> list[bytes]:
    try:
        given = parameters("eks", call.operation, call.words, query, body)
        content = state.answer(call.operation, call.region, given)
    except Refused as error:
        call.error = error.code
        return list(_respond(start_response, *refusal(error)))
    return list(_respond(start_response, 200, "application/json", content))


def _respond(start_response: Callable[..., Any], status: int, kind: str, body: bytes) -> Iterable[bytes]:
    headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
    start_response(f"{status} {HTTPStatus(status).phrase}", headers)
    return [body]


class Quiet(MotoRequestHandler):
    """The journal tells of requests; the terminal is not."""

    def log_request(self, *_: Any) -> None:
        return


def serve(port: int = 0, pace: float = 0.0, host: str = "127.0.0.1") -> tuple[BaseWSGIServer, Account]:
    """An account that listens and does not yet serve.

    Args:
        port: 0 for any that is free; it is the server's `port`.
        pace: What a second of AWS takes; 0: nothing takes time.
        host: The address.
    """
    CLOCK.pace = pace
    rules.prepare()
    account = Account(DomainDispatcherApplication(create_backend_app))
    server = make_server(host, port, account, threaded=True, request_handler=Quiet)
    return server, account


def started(pace: float = 0.0) -> tuple[BaseWSGIServer, Account]:
    """An account that serves in a thread of this process."""
    server, account = serve(pace=pace)
    threading.Thread(target=server.serve_forever, name="account", daemon=True).start()
    return server, account
