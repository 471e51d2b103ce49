"""Requests of services with the protocol rest-json, as botocore's models describe them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote

import botocore.session


class Refused(Exception):
    """An error that is answered: AWS's code, message and status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@cache
def routes(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    """Method, path and name of every operation; those with more fixed words first."""
    model = botocore.session.get_session().get_service_model(service)
    found: list[tuple[str, re.Pattern[str], str]] = []
    names: Any = model.operation_names
    for name in names:
        http = model.operation_model(name).http
        path = "".join(
            f"(?P<{part[1:-1].rstrip('+')}>{'.+' if part.endswith('+}') or service == 'route53' else '[^/]+'})"
            if part.startswith("{")
            else re.escape(part)
            for part in re.split(r"(\{[^}]+\})", http["requestUri"].partition("?")[0])
        )
        found.append((http["method"], re.compile(path), name))
    return sorted(found, key=lambda each: each[1].pattern.count("(?P<"))


def operation_of(service: str, method: str, path: str) -> tuple[str, dict[str, str]]:
    """The operation of a request, and the words of its path; an empty name where there is none."""
    for verb, pattern, name in routes(service):
        if verb == method and (match := pattern.fullmatch(path)):
            return name, {key: unquote(value) for key, value in match.groupdict().items()}
    return "", {}


def parameters(service: str, operation: str, words: Mapping[str, str], query: str, body: bytes) -> dict[str, Any]:
    """The input of an operation, by the names of its model."""
    shape: Any = botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
    found: dict[str, Any] = json.loads(body) if body else {}
    asked = parse_qs(query)
    for name, member in (shape.members if shape else {}).items():
        where = member.serialization
        wire = where.get("name", name)
        if where.get("location") == "uri":
            found[name] = words[wire]
        elif where.get("location") == "querystring" and wire in asked:
            found[name] = asked[wire] if member.type_name == "list" else asked[wire][0]
    return found


def refusal(error: Refused) -> tuple[int, str, bytes]:
    """The answer for an error: status, content type, body."""
    return error.status, "application/json", json.dumps({"__type": error.code, "message": str(error)}).encode()
