"""The orders that a rehearsal gives to the account, below `/rehearsal/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.aws.cloud.control import Control, Fault
from lab.aws.cloud.inventory import inventory
from lab.aws.cloud.quotas import DEFAULTS, LIMITS

Order = Callable[[Control, dict[str, Any]], Any]


def _journal(control: Control, _: dict[str, Any]) -> Any:
    return control.as_json()


def _fault(control: Control, content: dict[str, Any]) -> Any:
    control.faults.append(Fault(**content))
    return {}


def _clear(control: Control, _: dict[str, Any]) -> Any:
    """No faults, no lowered quotas, an empty journal; what is in the account stays."""
    control.faults.clear()
    control.journal.clear()
    LIMITS.update(DEFAULTS)
    return {}


def _quota(_: Control, content: dict[str, Any]) -> Any:
    LIMITS[content["name"]] = content["value"]
    return {}


def _inventory(_: Control, __: dict[str, Any]) -> Any:
    return inventory()


ORDERS: dict[str, Order] = {
    "journal": _journal,
    "fault": _fault,
    "clear": _clear,
    "quota": _quota,
    "inventory": _inventory,
}


def carry_out(control: Control, name: str, content: dict[str, Any]) -> tuple[int, Any]:
    """Carry an order out: the status of the answer, and its content."""
    order = ORDERS.get(name)
    if order is None:
        return 404, {"error": f"no such order: {name}; there are {', '.join(sorted(ORDERS))}"}
    return 200, order(control, content)
