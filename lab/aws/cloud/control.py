"""What a rehearsal asks of the account beside AWS's own calls: a journal, faults, an inventory, what is there
beforehand."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import botocore.session

from lab.aws.cloud.rest_json import operation_of


@dataclass
class Fault:
    """An error that AWS would give.

    Attributes:
        service, operation: The calls that it meets: `eks`, `CreateCluster`.
        code, message, status: What is answered.
        times: How many calls.
        skip: How many are let through before.
        done: Carry the call out before the error is answered: the caller does not learn that it has worked.
        region: Only calls in this one; every one where it is empty.
    """

    service: str
    operation: str
    code: str = "AccessDenied"
    message: str = "User is not authorized to perform this operation"
    status: int = 400
    times: int = 1
    skip: int = 0
    done: bool = False
    region: str = ""

    def meets(self, call: Call) -> bool:
        """Whether this call is met; counts it."""
        if (self.service, self.operation) != (call.service, call.operation) or self.region not in ("", call.region):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return self.times >= 0


@dataclass
class Call:
    """A call of the account."""

    service: str
    region: str
    operation: str
    at: float = field(default_factory=time.time)
    status: int = 0
    error: str = ""
    words: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def changes(self) -> bool:
        """Whether it is of a kind that changes something."""
        return not re.match(r"Describe|Get|List|Search|Lookup", self.operation)


class Control:
    """The journal and the faults."""

    def __init__(self) -> None:
        self.journal: list[Call] = []
        self.faults: list[Fault] = []

    def met(self, call: Call) -> Fault | None:
        """The fault that meets a call."""
        return next((each for each in self.faults if each.times > 0 and each.meets(call)), None)

    def as_json(self) -> list[dict[str, Any]]:
        """The journal."""
        return [asdict(each) for each in self.journal]


def call_of(environ: Mapping[str, Any], body: bytes) -> Call | None:
    """Which call of AWS a request is; None where it is not signed."""
    scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request", environ.get("HTTP_AUTHORIZATION", ""))
    if not scope:
        return None
    region, service = scope[1], scope[2]
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return Call(service, region, target.rpartition(".")[2])
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return Call(service, region, parse_qs(body.decode()).get("Action", [""])[0])
    method, path = environ["REQUEST_METHOD"], environ.get("RAW_URI", environ["PATH_INFO"]).partition("?")[0]
    name, words = operation_of(service, method, path)
    return Call(service, region, name or f"{method} {path}", words=words)


def answer(fault: Fault, service: str) -> tuple[int, str, bytes]:
    """A fault in the form of its service's protocol: status, content type, body."""
    protocol = botocore.session.get_session().get_service_model(service).metadata["protocol"]
    code, message = fault.code, fault.message
    if protocol in ("json", "rest-json"):
        return fault.status, "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message}).encode()
    inside = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if protocol == "ec2":
        text = f"<Response><Errors><Error>{inside}</Error></Errors><RequestID>rehearsal</RequestID></Response>"
    else:
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type>{inside}</Error><RequestId>rehearsal</RequestId></ErrorResponse>"
        )
    return fault.status, "text/xml", text.encode()


Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
