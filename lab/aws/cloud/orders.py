"""The orders that a rehearsal gives to the account, below `/rehearsal/`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from lab.aws.cloud import backing, balancers, ways
from lab.aws.cloud.backends import ACCOUNT, backend
from lab.aws.cloud.control import Control, Fault
from lab.aws.cloud.eks import access
from lab.aws.cloud.eks.state import cluster_of
from lab.aws.cloud.inventory import inventory
from lab.aws.cloud.quotas import DEFAULTS, LIMITS
from lab.aws.cloud.rest_json import Refused

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


def _roles(_: Control, content: dict[str, Any]) -> Any:
    """Principals that are there before the stack: each is a role that its own account may assume."""
    iam = backend("iam", "aws")
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    for name in content["names"]:
        iam.create_role(name, document, "/", None, "before the stack", [], 3600)
    return {}


def _zone(_: Control, content: dict[str, Any]) -> Any:
    """A hosted zone that is there before the stack, by the id that the stack names."""
    route53 = backend("route53", "aws")
    found = route53.create_hosted_zone(content["name"], private_zone=False, caller_reference=str(uuid.uuid4()))
    del route53.zones[found.resource_id]
    found.resource_id = content["id"]
    route53.zones[found.resource_id] = found
    return {"id": found.resource_id}


def _caller(_: Control, content: dict[str, Any]) -> Any:
    """Who the rehearsal is."""
    access.CALLER.arn = content["arn"]
    return {}


def _back(_: Control, content: dict[str, Any]) -> Any:
    backing.back(content.pop("region"), backing.Backing(**content))
    return {}


def _credentials(_: Control, content: dict[str, Any]) -> Any:
    """By whose kubeconfig a token for a cluster is made, and whether it may do everything there or nothing."""
    cluster = cluster_of(content["region"], content["cluster"])
    found = backing.backing_of(content["region"])
    return {
        "status": cluster.said["status"],
        "kubeconfig": found.kubeconfig if found else None,
        "admin": access.administers(cluster, access.CALLER.arn),
    }


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


def _unbalance(_: Control, content: dict[str, Any]) -> Any:
    balancers.delete(content["region"], content["key"])
    return {}


ORDERS: dict[str, Order] = {
    "journal": _journal,
    "changes": _changes,
    "roles": _roles,
    "zone": _zone,
    "caller": _caller,
    "back": _back,
    "credentials": _credentials,
    "balancer": _balancer,
    "unbalance": _unbalance,
    "ways": _ways,
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
