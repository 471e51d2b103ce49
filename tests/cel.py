"""What an independent implementation of CEL makes of the expressions that proxies are given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import celpy
from celpy import celtypes
from celpy.adapter import json_to_cel


def evaluate(expression: str, request: Mapping[str, Any], response: Mapping[str, Any] | None = None) -> Any:
    """Compiles an expression and evaluates it for one request; `duration` of a request is in seconds."""
    environment = celpy.Environment()
    program = environment.program(environment.compile(expression))
    given: Any = json_to_cel({key: value for key, value in request.items() if key != "duration"})
    if "duration" in request:
        given[celtypes.StringType("duration")] = celtypes.DurationType(timedelta(seconds=request["duration"]))
    return program.evaluate({"request": given, "response": json_to_cel(dict(response or {}))})
