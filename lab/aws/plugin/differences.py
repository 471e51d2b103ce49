"""What differs between the inputs of two runs, and what that does to the resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi.runtime.proto import provider_pb2

from lab.aws.plugin import values
from lab.aws.plugin.tables import Table

ADD, DELETE, UPDATE = "ADD", "DELETE", "UPDATE"

_WHOLE = frozenset({"tags", "labels"})
"""Maps of a person's own keys: a change in them is one of the map."""


def between(table: Table, olds: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, str]:
    """The changed paths (`a`, `a.b`) and whether something was added, deleted or changed there."""
    return dict(_between(table, "", olds, news))


def _between(table: Table, path: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in sorted({*olds, *news}):
        old, new, where = olds.get(name), news.get(name), path + name
        same = old == new or (where in table.sets and _same_set(old, new))
        if same or (new is None and where in table.filled) or (old is None and where in table.untold):
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping) and where not in _WHOLE:
            yield from _between(table, f"{where}.", old, new)
        else:
            yield where, ADD if old is None else DELETE if new is None else UPDATE


def _same_set(old: Any, new: Any) -> bool:
    if not (isinstance(old, list) and isinstance(new, list)) or len(old) != len(new):
        return False
    return all(each in new for each in old) and all(each in old for each in new)


def response(
    table: Table, olds: Mapping[str, Any], news: Mapping[str, Any], ignored: tuple[str, ...]
) -> provider_pb2.DiffResponse:
    """The answer to the engine."""
    changes = {
        path: kind
        for path, kind in between(table, olds, news).items()
        if not any(path == each or path.startswith(f"{each}.") for each in ignored)
    }
    replaces = [path for path, kind in changes.items() if replaced(table, path, kind)]
    kinds = provider_pb2.PropertyDiff
    detailed = {
        path: provider_pb2.PropertyDiff(
            kind=kinds.Kind.Value(f"{kind}_REPLACE" if path in replaces else kind), inputDiff=True
        )
        for path, kind in changes.items()
    }
    answer = provider_pb2.DiffResponse
    return provider_pb2.DiffResponse(
        changes=answer.DIFF_SOME if changes else answer.DIFF_NONE,
        diffs=sorted({path.partition(".")[0] for path in changes}),
        replaces=sorted({path.partition(".")[0] for path in replaces}),
        detailedDiff=detailed,
        hasDetailedDiff=True,
        # A second one cannot have the name of the first (pulumi-terraform-bridge, nameRequiresDeleteBeforeReplace).
        deleteBeforeReplace=bool(replaces) and _keeps_its_name(table, olds, news),
    )


def replaced(table: Table, path: str, kind: str) -> bool:
    """Whether this change makes a new resource."""
    if path == "computeConfig.nodeRoleArn" and kind == UPDATE:
        # Only where one role takes the place of another (internal/service/eks/cluster.go, CustomizeDiff).
        return True
    if path == "encryptionConfig" and kind == DELETE:
        # Envelope encryption cannot be taken away again (ibid.).
        return True
    return table.replaces(path)


def _keeps_its_name(table: Table, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    if table.autoname is None:
        return False
    name = news.get(table.autoname.property)
    return name is not None and not values.holds_unknown(name) and name == olds.get(table.autoname.property)
