"""After an engine that was killed: what it was making just then.

The engine notes in its state what it is about to make, and learns the id when it is made. Killed in between, it knows
neither whether the resource is there nor its id; an `up` would make a second one. So each of these is looked for in the
account, by the key that its type has (name, tags, what it joins), and taken into the state, or struck off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.aws.plugin.clients import Aws
from lab.aws.plugin.kind import KINDS
from lab.aws.plugin.kinds import network as _registers_all  # noqa: F401 (the package registers every type)
from lab.aws.rehearsal.engine import Engine


@dataclass(frozen=True)
class Pending:
    """A creation that was cut off.

    Attributes:
        urn: The resource.
        id: What it is in the account; None where it was not made.
        inputs: What it was to be made from.
    """

    urn: str
    id: str | None
    inputs: Mapping[str, Any]


Look = Callable[[str, str, Mapping[str, Any]], str | None]
"""Gives the id of a resource by its type, region and inputs."""


def pending(deployment: Mapping[str, Any], look: Look) -> list[Pending]:
    """The creations that were cut off.

    Args:
        deployment: The stack's state.
        look: The look into the account.
    """
    regions = {
        f"{each['urn']}::{each.get('id', '')}": each.get("inputs", {}).get("region", "")
        for each in deployment.get("resources") or []
        if each["type"] == "pulumi:providers:aws"
    }
    # One that is in the state is another one's, with the same prefix.
    known = {(each["type"], each.get("id")) for each in deployment.get("resources") or []}
    found: list[Pending] = []
    for operation in deployment.get("pending_operations") or []:
        resource = operation["resource"]
        if operation["type"] != "creating":
            continue
        region = regions.get(resource.get("provider", ""), "")
        inputs = resource.get("inputs", {})
        id = look(resource["type"], region, inputs)
        found.append(Pending(resource["urn"], None if (resource["type"], id) in known else id, inputs))
    return found


def in_account(account: str) -> Callable[[str, str, Mapping[str, Any]], str | None]:
    """The look into an account."""

    def look(token: str, region: str, inputs: Mapping[str, Any]) -> str | None:
        kind = KINDS.get(token)
        return kind.find(Aws(inputs.get("region") or region, account), inputs) if kind else None

    return look


def mended(deployment: Mapping[str, Any], found: Sequence[Pending]) -> dict[str, Any]:
    """A stack's state in which what was cut off is either there, with its id, or struck off.

    The engine has a flag for it, `pulumi refresh --import-pending-creates`, which in 3.259 notes the id and then
    forgets the resource: its operation turns into `importing`, and no step comes of it
    (pkg/cmd/pulumi/operations/refresh.go).
    """
    ids = {each.urn: each.id for each in found}
    resources, pending_operations = list(deployment.get("resources") or []), []
    for operation in deployment.get("pending_operations") or []:
        resource = operation["resource"]
        if operation["type"] != "creating":
            pending_operations.append(operation)
        elif id := ids.get(resource["urn"]):
            # What it was made from is known; what came of it, the refresh finds.
            resources.append({**resource, "id": id, "outputs": dict(resource.get("inputs", {}))})
    return {**deployment, "resources": resources, "pending_operations": pending_operations}


def mend(engine: Engine, account: str) -> list[Pending]:
    """Take what was cut off into the state of a stack whose engine was killed, or strike it off; gives what that was. A
    refresh has to follow, which finds what became of it.
    """
    engine.unlock()
    deployment = engine.deployment()
    found = pending(deployment, in_account(account))
    if found:
        engine.replace(mended(deployment, found))
    return found


def recover(engine: Engine, account: str) -> list[Pending]:
    """Bring the state of a stack whose engine was killed to what is in the account; what was cut off."""
    found = mend(engine, account)
    if found:
        engine.refresh()
    return found
