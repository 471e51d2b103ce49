"""moto's tables, by service and region."""

from __future__ import annotations

import os
from typing import Any

from moto import backends
from moto.core.models import DEFAULT_ACCOUNT_ID

ACCOUNT = os.environ.get("MOTO_ACCOUNT_ID", DEFAULT_ACCOUNT_ID)
"""The account's number. moto's server takes it from its environment."""


def backend(service: Any, region: str) -> Any:
    """moto's tables of a service in a region; `aws` for a service that has one for all."""
    return backends.get_backend(service)[ACCOUNT][region]


def regions(service: Any) -> list[str]:
    """The regions in which somebody has called a service."""
    return list(backends.get_backend(service)[ACCOUNT].keys())
