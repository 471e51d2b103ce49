"""The orders that a rehearsal gives to the account, below `/rehearsal/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.aws.cloud import backing, balancers, beforehand, ways
from lab.aws.cloud.control import Control, Fault
from lab.aws.cloud.eks import access
from lab.aws.cloud.eks.state import cluster_of
from lab.aws.cloud.inventory import inventory
from lab.aws.cloud.quotas import DEFAULTS, LIMITS
from lab.aws.cloud.rest_json import Refused
from lab.aws.cloud.tokens import Asked

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


def _changes(control: Control, _: dict[str, Any]) -> Any:
    return {"count": sum(call.changes and 200 <= call.status < 300 for call in control.journal)}


def _beforehand(function: Callable[..., Any]) -> Order:
    return lambda _, content: function(**content)


def _caller(_: Control, content: dict[str, Any]) -> Any:
    """Who the rehearsal is."""
    access.CALLER.arn = content["arn"]
    return {}


def _back(_: Control, content: dict[str, Any]) -> Any:
    backing.back(content.pop("region"), backing.Backing(**content))
    return {}


def _token(_: Control, content: dict[str, Any]) -> Any:
    """What a token for a cluster is made of: by whose kubeconfig, and whether it may do everything there or nothing."""
    cluster = cluster_of(content["region"], content["cluster"])
    found = backing.backing_of(content["region"])
    if found is None:
        raise Refused("ResourceNotFoundException", f"No region of the lab stands behind {cluster.region}: the cluster "
                      f"{cluster.name} has no API server.", 404)  # fmt: skip
    return Asked(found, access.administers(cluster, access.CALLER.arn), content.get("seconds"))


def _balancer(_: Control, content: dict[str, Any]) -> Any:
    """A controller makes the load balancer of a Service, or finds it."""
    vpc = cluster_of(content["region"], content["cluster"]).vpc
    try:
        found = balancers.ensure(content["region"], content["key"], content["scheme"], vpc)
    except balancers.CannotBalance as problem:
        return {"problem": str(problem)}
    return {"name": found.name, "state": found.state}


def _ways(_: Control, __: dict[str, Any]) -> Any:
    return ways.open_ways()


def _runner(_: Control, content: dict[str, Any]) -> Any:
    """Where the engine is: in a VPC, or behind addresses of the internet."""
    ways.RUNNER.vpc, ways.RUNNER.region = content.get("vpc"), content.get("region")
    ways.RUNNER.tables, ways.RUNNER.egress = content.get("tables", ()), content.get("egress", ())
    return {}


def _unbalance(_: Control, content: dict[str, Any]) -> Any:
    balancers.delete(content["region"], content["key"])
    return {}


ORDERS: dict[str, Order] = {
    "journal": _journal,
    "changes": _changes,
    **{name: _beforehand(function) for name, function in beforehand.ORDERS.items()},
    "caller": _caller,
    "back": _back,
    "token": _token,
    "balancer": _balancer,
    "unbalance": _unbalance,
    "ways": _ways,
    "runner": _runner,
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
    try:
        return 200, order(control, content)
    except Refused as error:
        return error.status, {"error": str(error)}
