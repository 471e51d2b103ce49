"""Asking an API server: lists, and what pods tell at their ports, by one connection pool for each region."""

import email.utils
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Lock
from typing import Any, Self

import httpx

from components.clusters.api import Connection
from mesh.doctor.facts import Silent

CONNECT, READ = 1.5, 2.0
"""Seconds that an API server has to take a connection, and to answer."""

_RIGHTS = "Give the credentials the rights of docs/doctor.md"


@dataclass(frozen=True, order=True)
class Right:
    """What a question needs of the API server."""

    group: str
    resource: str
    """With its subresource: `pods/proxy`."""

    verb: str


_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+(?:/namespaces/[^/]+(?=/))?/(?P<resource>[a-z]+)"
    r"(?:/(?P<name>[^/?]+)(?:/(?P<sub>[a-z]+))?)?"
)


def right_of(path: str) -> Right | None:
    """What a GET of a path needs; None of one that anybody may ask, such as `/version`."""
    match = _PATH.match(path.partition("?")[0])
    if match is None:
        return None
    resource = match["resource"] + (f"/{match['sub']}" if match["sub"] else "")
    return Right(match["group"] or "", resource, "get" if match["name"] else "list")


class Refused(Exception):
    """The API server does not give what was asked."""

    def __init__(self, cause: str, cure: str) -> None:
        super().__init__(cause)
        self.silent = Silent(cause, cure)


@dataclass(frozen=True)
class Answer:
    """What a pod or an API server told, and when by its clock."""

    text: str
    offset: float | None
    """Seconds that its clock is ahead of this machine's, to about a second; None where it did not tell."""


@dataclass
class Api:
    """One API server. Safe for several threads."""

    connection: Connection
    asked: set[Right] = field(default_factory=set[Right])
    """Every right that was used: tests hold docs/doctor.md to it."""

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.connection.token}"} if self.connection.token else {}
        self._lock = Lock()
        self._client = httpx.Client(
            base_url=self.connection.server,
            verify=self.connection.tls,
            headers=headers,
            timeout=httpx.Timeout(READ, connect=CONNECT),
            limits=httpx.Limits(max_connections=16),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str) -> dict[str, Any]:
        """The object at a path. Raises Refused."""
        return self._ask(path).json()

    def list(self, path: str) -> list[dict[str, Any]]:
        """The objects at a path; none where the API server does not know their kind. Raises Refused."""
        # From the API server's cache: what may be a moment old costs etcd nothing.
        answer = self._ask(f"{path}{'&' if '?' in path else '?'}resourceVersion=0", missing=True)
        return [] if answer.status_code == HTTPStatus.NOT_FOUND else answer.json()["items"]

    def text(self, path: str) -> Answer:
        """What is told at a path, such as a pod's port. Raises Refused."""
        begun = datetime.now(UTC)
        answer = self._ask(path)
        return Answer(answer.text, offset(answer.headers.get("date"), begun, datetime.now(UTC)))

    def _ask(self, path: str, *, missing: bool = False) -> httpx.Response:
        right = right_of(path)
        if right is not None:
            with self._lock:
                self.asked.add(right)
        try:
            answer = self._client.get(path)
        except httpx.TimeoutException as problem:
            limit = CONNECT if isinstance(problem, httpx.ConnectTimeout) else READ
            raise Refused(
                f"does not answer within {limit:g} s", "Start it, or mend the way to it and its address"
            ) from None
        except httpx.HTTPError as problem:
            raise Refused(f"does not answer ({_reason(problem)})", "Start it, or mend its address") from None
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            raise Refused("refuses the credentials (401)", "Renew the kubeconfig's credentials")
        if answer.status_code == HTTPStatus.FORBIDDEN:
            raise Refused(f"forbids the credentials {path.partition('?')[0]} (403)", _RIGHTS)
        if answer.is_error and not (missing and answer.status_code == HTTPStatus.NOT_FOUND):
            raise Refused(f"answers {answer.status_code} to {path.partition('?')[0]}", "See its logs")
        return answer


def offset(date: str | None, begun: datetime, ended: datetime) -> float | None:
    """How far a clock is ahead that said `date`, in whole seconds, somewhere between two moments of this machine."""
    if date is None:
        return None
    try:
        said = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return None
    # It was that second or up to one later; within what cannot be told apart the clocks are the same.
    early, late = (said - ended).total_seconds(), (said - begun).total_seconds() + 1
    return 0.0 if early <= 0 <= late else early if early > 0 else late


def _reason(problem: httpx.HTTPError) -> str:
    said = str(problem) or type(problem).__name__
    return said.partition("] ")[2] or said
