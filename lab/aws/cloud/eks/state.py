"""What the account holds of EKS, and how its operations are found."""

from __future__ import annotations

import datetime
import itertools
import json
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from lab.aws.cloud.around import CLOCK
from lab.aws.cloud.backends import ACCOUNT, backend
from lab.aws.cloud.rest_json import Refused

# Seconds, as they are seen on AWS.
CLUSTER_READY, CLUSTER_GONE, UPDATE_DONE, VERSION_DONE = 540.0, 240.0, 180.0, 600.0
NODES_READY, NODES_GONE = 120.0, 180.0
ADDON_READY, ADDON_GONE = 30.0, 20.0


def today() -> datetime.date:
    """The day by this machine's clock."""
    return datetime.datetime.now(datetime.UTC).date()


@dataclass
class Cluster:
    """One cluster.

    Attributes:
        said: What DescribeCluster says.
        nodes, addons, entries, pods: Descriptions of node groups, add-ons, access entries and Pod Identity
        associations. policies: Policies of access entries, by principal and policy.
        updates: Updates by id.
        held: Network interfaces of the control plane.
        node_held: Network interfaces of node groups, by name.
    """

    region: str
    said: dict[str, Any]
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    addons: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    updates: dict[str, dict[str, Any]] = field(default_factory=dict)
    held: list[Any] = field(default_factory=list)
    node_held: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.said["name"]

    @property
    def vpc(self) -> str:
        return self.said["resourcesVpcConfig"]["vpcId"]

    @property
    def ec2(self) -> Any:
        return backend("ec2", self.region)

    @property
    def auto_mode(self) -> bool:
        return bool((self.said.get("computeConfig") or {}).get("enabled"))

    @property
    def has_nodes(self) -> bool:
        """Whether pods find a node. Those of Auto Mode start in the cluster's subnets (user guide,
        create-node-class.html), and do not join without a way out of them."""
        if self.auto_mode:
            return all(self._leads_out(subnet) for subnet in self.said["resourcesVpcConfig"]["subnetIds"])
        return any(each["status"] in ("ACTIVE", "UPDATING") for each in self.nodes.values())

    def _leads_out(self, subnet: str) -> bool:
        return any(
            route.destination_cidr_block == "0.0.0.0/0"
            for table in self.ec2.route_tables.values()
            if subnet in table._associations.values()
            for route in table.routes
        )


CLUSTERS: dict[tuple[str, str], Cluster] = {}
"""By region and name."""

Operation = Callable[[str, dict[str, Any]], Any]
OPERATIONS: dict[str, Operation] = {}


def operation(name: str) -> Callable[[Operation], Operation]:
    """Decorator: the function is an operation, given the region and the input, giving the output."""

    def register(function: Operation) -> Operation:
        OPERATIONS[name] = function
        return function

    return register


def answer(name: str, region: str, given: dict[str, Any]) -> bytes:
    """Carry an operation out.

    Raises:
        Refused: AWS would.
    """
    if name not in OPERATIONS:
        raise Refused("NotImplemented", f"the rehearsal's account does not have eks:{name}", 501)
    return json.dumps(OPERATIONS[name](region, given)).encode()


def invalid(message: str) -> Refused:
    """A parameter that EKS does not take."""
    return Refused("InvalidParameterException", message)


def wrong_now(message: str) -> Refused:
    """A request that does not fit the state of things."""
    return Refused("InvalidRequestException", message)


def in_use(message: str) -> Refused:
    """Something is there already, or still."""
    return Refused("ResourceInUseException", message, 409)


def missing(message: str) -> Refused:
    """There is no such thing."""
    return Refused("ResourceNotFoundException", message, 404)


def cluster_of(region: str, name: str) -> Cluster:
    """The cluster of a name.

    Raises:
        Refused: There is none.
    """
    found = CLUSTERS.get((region, name))
    if found is None:
        raise missing(f"No cluster found for name: {name}.")
    return found


def active(region: str, name: str) -> Cluster:
    """The cluster of a name, which can be worked with.

    Raises:
        Refused: There is none, or it is being made, changed or deleted.
    """
    found = cluster_of(region, name)
    if found.said["status"] not in ("ACTIVE", "UPDATING"):
        raise in_use(f"Cluster '{name}' is not in ACTIVE status")
    return found


def arn(region: str, resource: str) -> str:
    """An ARN of EKS."""
    return f"arn:aws:eks:{region}:{ACCOUNT}:{resource}"


_numbers = itertools.count(1)


def identity() -> str:
    """Part of an id that no other has."""
    return f"{next(_numbers):04x}{secrets.token_hex(6)}"


def now() -> float:
    """A time as it is told."""
    return round(time.time(), 3)


def update(
    cluster: Cluster,
    kind: str,
    changes: Iterable[tuple[str, Any]],
    seconds: float,
    done: Callable[[], None],
    **what: str,
) -> dict[str, Any]:
    """Begin an update, which is done some time later; its description."""
    found: dict[str, Any] = {
        "id": identity(),
        "status": "InProgress",
        "type": kind,
        "params": [{"type": name, "value": str(value)} for name, value in changes],
        "createdAt": now(),
        "errors": [],
        **what,
    }
    cluster.updates[found["id"]] = found

    def end() -> None:
        done()
        found["status"] = "Successful"

    CLOCK.later(seconds, end)
    return {"update": found}


def role_of(arn: str) -> Any:
    """A role of IAM; None where there is none."""
    roles = backend("iam", "aws").roles
    return next((each for each in roles.values() if each.arn == arn), None)


def trusts(role: Any, service: str, *actions: str) -> bool:
    """Whether a role's trust policy lets a service assume it by all of these actions."""
    document = role.assume_role_policy_document
    policy = json.loads(document) if isinstance(document, str) else document
    allowed: set[str] = set()
    for statement in policy.get("Statement", []):
        services = (statement.get("Principal") or {}).get("Service", [])
        if statement.get("Effect") == "Allow" and service in ([services] if isinstance(services, str) else services):
            action = statement.get("Action", [])
            allowed.update([action] if isinstance(action, str) else action)
    return set(actions or ("sts:AssumeRole",)) <= allowed


@operation("DescribeUpdate")
def describe_update(region: str, given: dict[str, Any]) -> Any:
    found = cluster_of(region, given["name"]).updates.get(given["updateId"])
    if found is None:
        raise missing(f"No update found for ID: {given['updateId']}")
    return {"update": found}
