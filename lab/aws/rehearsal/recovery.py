"""After an engine that was killed: what it was making just then.

The engine notes in its state what it is about to make, and learns the id when it is made. Killed in between, it knows
neither whether the resource is there nor its id; an `up` would make a second one. So each of these is looked for in the
account, by the key that its type has (name, tags, what it joins), and taken into the state, or struck off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    """

    urn: str
    id: str | None


def pending(
    deployment: Mapping[str, Any], account: str, look: Callable[[str, str, Mapping[str, Any]], str | None]
) -> list[Pending]:
    """The creations that were cut off.

    Args:
        deployment: The stack's state.
        account: Number of the account.
        look: Gives the id of a resource by its type, region and inputs.
    """
    del account
    regions = {
        f"{each['urn']}::{each.get('id', '')}": each.get("inputs", {}).get("region", "")
        for each in deployment.get("resources") or []
        if each["type"] == "pulumi:providers:aws"
    }
    found: list[Pending] = []
    for operation in deployment.get("pending_operations") or []:
        resource = operation["resource"]
        if operation["type"] != "creating":
            continue
        region = regions.get(resource.get("provider", ""), "")
        found.append(Pending(resource["urn"], look(resource["type"], region, resource.get("inputs", {}))))
    return found


def in_account(account: str) -> Callable[[str, str, Mapping[str, Any]], str | None]:
    """The look into an account."""

    def look(token: str, region: str, inputs: Mapping[str, Any]) -> str | None:
        kind = KINDS.get(token)
        return kind.find(Aws(inputs.get("region") or region, account), inputs) if kind else None

    return look


def recover(engine: Engine, account: str) -> list[Pending]:
    """Bring the state of a stack whose engine was killed to what is in the account; what was cut off."""
    engine.unlock()
    found = pending(engine.deployment(), account, in_account(account))
    if not found:
        return []
    words: list[str] = []
    for each in found:
        if each.id:
            words += ["--import-pending-creates", each.urn, "--import-pending-creates", each.id]
    config = ["--config-file", str(engine.config)] if engine.config else []
    options = [*words, "--clear-pending-creates"] if any(each.id is None for each in found) else words
    engine.run("refresh", "--yes", "--skip-preview", "--stack", engine.stack, *config, *options)
    return found
