"""A GitHub on this machine: comments and issues of one repository, by the REST API's own paths."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-github"
REPOSITORY = "acme/mesh"
BOT = "github-actions[bot]"


@dataclass
class FakeGitHub:
    """`comments` and `issues` are as the API gives them; `faults` (method, status, headers) are answered in place of
    what a request of their method asks, each once."""

    address: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    faults: list[tuple[str, int, dict[str, str]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def comment(self, body: str, author: str = BOT, number: int = 7) -> dict[str, Any]:
        made = {"id": 100 + len(self.comments), "body": body, "user": {"login": author}, "issue": number}
        self.comments.append({**made, "html_url": f"{self.address}/comment/{made['id']}"})
        return self.comments[-1]

    def issue(self, body: str, author: str = BOT, **more: Any) -> dict[str, Any]:
        made = {"number": 1 + len(self.issues), "body": body, "user": {"login": author}, "state": "open", **more}
        self.issues.append({**made, "html_url": f"{self.address}/issue/{made['number']}"})
        return self.issues[-1]

    def answer(self, method: str, address: str, sent: Any) -> tuple[int, Any, dict[str, str]]:
        path = urlsplit(address).path.removeprefix(f"/repos/{REPOSITORY}/")
        match method, path:
            case "GET", "issues":
                return self._page(address, [each for each in self.issues if each["state"] == "open"])
            case "POST", "issues":
                return 201, self.issue(**sent), {}
            case "GET", _ if found := re.fullmatch(r"issues/(\d+)/comments", path):
                return self._page(address, [each for each in self.comments if each["issue"] == int(found[1])])
            case "POST", _ if found := re.fullmatch(r"issues/(\d+)/comments", path):
                return 201, self.comment(sent["body"], number=int(found[1])), {}
            case "PATCH", _ if found := re.fullmatch(r"issues/comments/(\d+)", path):
                return self._changed(self.comments, "id", int(found[1]), sent)
            case "PATCH", _ if found := re.fullmatch(r"issues/(\d+)", path):
                return self._changed(self.issues, "number", int(found[1]), sent)
            case _:
                return 404, {"message": "Not Found"}, {}

    def _page(self, address: str, items: list[dict[str, Any]]) -> tuple[int, Any, dict[str, str]]:
        asked = parse_qs(urlsplit(address).query)
        size, page = int(asked["per_page"][0]), int(asked.get("page", ["1"])[0])
        following = re.sub(r"&page=\d+", "", address) + f"&page={page + 1}"
        more = {"Link": f'<{self.address}{following}>; rel="next"'} if len(items) > size * page else {}
        return 200, items[size * (page - 1) : size * page], more

    def _changed(self, items: list[dict[str, Any]], key: str, value: int, sent: Any) -> tuple[int, Any, dict[str, str]]:
        for item in items:
            if item[key] == value:
                if item["user"]["login"] != BOT:
                    return 403, {"message": "Resource not accessible by integration"}, {}
                item.update(sent)
                return 200, item, {}
        return 404, {"message": "Not Found"}, {}


@contextmanager
def fake_github() -> Generator[FakeGitHub]:
    """One for as long as the block lasts."""
    fake = FakeGitHub()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(length)) if length else None
            fake.asked.append(f"{self.command} {urlsplit(self.path).path}")
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, body, headers = 401, {"message": "Bad credentials"}, {}
            elif fake.faults and fake.faults[0][0] == self.command:
                (_, status, headers), body = fake.faults.pop(0), {"message": "not now"}
            else:
                status, body, headers = fake.answer(self.command, self.path, sent)
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
