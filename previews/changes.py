"""What would change, resource by resource: the engine's steps put together, values shown only where they may be."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, cast

from previews.events import SIGNATURE, UNKNOWN, Properties, State, Step
from previews.masking import Mask


class Kind(StrEnum):
    """What happens to a resource, the gravest first."""

    REPLACE = "replace"
    DELETE = "delete"
    UPDATE = "update"
    CREATE = "create"


_KINDS: Mapping[str, Kind] = {
    "create": Kind.CREATE,
    "import": Kind.CREATE,
    "update": Kind.UPDATE,
    "delete": Kind.DELETE,
    "replace": Kind.REPLACE,
    "create-replacement": Kind.REPLACE,
    "delete-replaced": Kind.REPLACE,
    "read-replacement": Kind.REPLACE,
    "import-replacement": Kind.REPLACE,
}
"""By the engine's operation; those that are not here (same, read, refresh, discard ...) change nothing.

A replacement comes as three steps of one resource.
"""

SHOWN = re.compile(
    r"""(?: ^version | ^chart | ^repositoryOpts\.repo
    | (?:^|\.)(?:replicas|minReplicas|maxReplicas|minAvailable|maxUnavailable|averageUtilization)
    | (?:^|\.)(?:weight|percent|percentage\.value|subset|timeout|perTryTimeout|attempts|exact|prefix)
    | (?:^|\.)(?:maxEjectionPercent|consecutive5xxErrors|interval|baseEjectionTime)
    | (?:^|\.)(?:maxConnections|http1MaxPendingRequests|http2MaxRequests|maxRequestsPerConnection)
    | (?:^|\.)tls\.mode | ^spec\.mtls\.mode | ^spec\.action | ^spec\.host
    | (?:^|\.)(?:port|number|targetPort|protocol|fromPort|toPort|ipProtocol)
    | (?:^|\.)resources\.(?:requests|limits)\.(?:cpu|memory)
    | (?:^|\.)(?:cidrBlock|cidrIpv4|availabilityZone|instanceTypes|capacityType|minSize|maxSize|desiredSize)
    | (?:^|\.)(?:ttl|retentionInDays|deletionProtection|endpointPublicAccess|endpointPrivateAccess)
    | ^metadata\.(?:name|namespace) | ^apiVersion
    )$""",
    re.VERBOSE,
)
"""Paths, without indices, of properties whose values are shown: sizes, shares, times, versions, ports. Of all others
it is only said that they change. Values of people and of Secrets are none of them."""

LONGEST = 60
"""Characters of a value that is shown: longer ones are texts, of which nobody knows what is in them."""

_SECRETS = re.compile(r"(?:^|:)(?:Secret|SecretVersion|SecretPatch|RandomPassword|PrivateKey|AccessKey)$")
"""Types of which no value is shown, whatever its path."""

_INTERNAL = re.compile(r"^__|\.__")
"""Properties that are an SDK's or a provider's own: the code of a dynamic provider, field managers."""


@dataclass(frozen=True)
class Difference:
    """One property that differs.

    Attributes:
        path: As the engine writes it: `spec.http[0].route[1].weight`.
        kind: add, delete or update.
        replaces: Whether the resource is replaced for it.
        values: Before and after, where they may be shown; None stands for no value.
    """

    path: str
    kind: str
    replaces: bool = False
    values: tuple[str | None, str | None] | None = None

    def masked(self, mask: Mask) -> "Difference":
        """The same, without secrets."""
        values = self.values and tuple(value if value is None else mask.text(value) for value in self.values)
        return Difference(
            mask.text(self.path), self.kind, self.replaces, cast("tuple[str | None, str | None] | None", values)
        )


@dataclass(frozen=True)
class Change:
    """One resource that would change.

    Attributes:
        urn: Its URN.
        type: Its type token.
        kind: What would happen to it.
        differences: In the order of their paths, those that replace it first.
        protected: It is protected: the engine refuses to delete or replace it.
        made: A provider makes it; a component only groups others.
    """

    urn: str
    type: str
    kind: Kind
    differences: tuple[Difference, ...] = ()
    protected: bool = False
    made: bool = True

    def masked(self, mask: Mask) -> "Change":
        """The same, without secrets."""
        differences = tuple(each.masked(mask) for each in self.differences)
        return replace(self, urn=mask.text(self.urn), differences=differences)


def change_of(step: Step) -> Change | None:
    """The change that a step is a part of; None where it changes nothing."""
    kind = _KINDS.get(step.op)
    if kind is None:
        return None
    described = kind in (Kind.UPDATE, Kind.REPLACE)
    return Change(
        step.urn,
        step.type,
        kind,
        tuple(_differences(step)) if described else (),
        protected=bool(step.old and step.old.protect),
        made=any(state.custom for state in (step.old, step.new) if state),
    )


def together(one: Change, other: Change) -> Change:
    """Two steps of one resource as one change: the graver kind, and whichever says more of what differs."""
    graver = min(one, other, key=lambda change: list(Kind).index(change.kind))
    more = max(one, other, key=lambda change: len(change.differences))
    return replace(graver, differences=more.differences, protected=one.protected or other.protected)


def _differences(step: Step) -> Iterator[Difference]:
    found: list[Difference] = []
    if step.detailed_diff:
        for path, diff in step.detailed_diff.items():
            kind, _, replaces = diff.diff_kind.partition("-")
            found.append(Difference(path, kind, bool(replaces), _values(step, path, diff.input_diff)))
    elif step.keys or step.diffs:
        for path in dict.fromkeys((*step.keys, *step.diffs)):
            found.append(Difference(path, "update", path in step.keys, _values(step, path, inputs=True)))
    elif step.op == "update" and step.old and step.new:
        # A provider that was asked what is there now says the whole of it, and no differences.
        for path, kind in _compared(step.old.outputs, step.new.outputs):
            found.append(Difference(path, kind, values=_values(step, path, inputs=False)))
    yield from sorted(
        (each for each in found if not _INTERNAL.search(each.path)), key=lambda each: (not each.replaces, each.path)
    )


def _values(step: Step, path: str, inputs: bool) -> tuple[str | None, str | None] | None:
    keys = keys_of(path)
    if keys is None or _SECRETS.search(step.type):
        return None
    if not SHOWN.search(".".join(key for key in keys if isinstance(key, str))):
        return None
    before = _scalar(_at(_properties(step.old, inputs), keys))
    after = _scalar(_at(_properties(step.new, inputs=True if inputs else None), keys))
    if before is _HIDDEN or after is _HIDDEN or before == after:
        return None
    return cast("tuple[str | None, str | None]", (before, after))


def _compared(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Paths that differ, each with how."""
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        old, new = cast(Mapping[str, Any], before), cast(Mapping[str, Any], after)
        if SIGNATURE not in old and SIGNATURE not in new:
            for key in sorted({*old, *new}):
                yield from _compared(old.get(key), new.get(key), _below(path, key))
            return
    if (
        isinstance(before, list)
        and isinstance(after, list)
        and len(cast(list[Any], before)) == len(cast(list[Any], after))
    ):
        for index, pair in enumerate(zip(cast(list[Any], before), cast(list[Any], after), strict=True)):
            yield from _compared(*pair, f"{path}[{index}]")
        return
    yield path, "add" if before is None else "delete" if after is None else "update"


def _below(path: str, key: str) -> str:
    if re.fullmatch(r"[^.\[\]\"]+", key):
        return f"{path}.{key}" if path else key
    return f'{path}["{key}"]'


def _properties(state: State | None, inputs: bool | None) -> Properties:
    """Inputs or outputs; None stands for whichever there are."""
    if state is None:
        return {}
    if inputs is None:
        return state.outputs or state.inputs
    return state.inputs if inputs else state.outputs


class _Hidden:
    """A value that is not shown: secret, or more than a word."""


_HIDDEN = _Hidden()


def _scalar(value: Any) -> str | _Hidden | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (int, float)):
        return str(value)
    if value == UNKNOWN:
        return "known after the update"
    if isinstance(value, str) and len(value) <= LONGEST and "\n" not in value:
        return value
    return _HIDDEN


def _at(properties: Any, keys: Sequence[str | int]) -> Any:
    """The value at a path; a marked object, such as a secret, on the way there is the value."""
    value = properties
    for key in keys:
        if isinstance(value, Mapping):
            fields = cast(Mapping[str, Any], value)
            if SIGNATURE in fields:
                return fields
            value = fields.get(str(key))
        elif isinstance(value, list) and isinstance(key, int):
            items = cast(list[Any], value)
            value = items[key] if 0 <= key < len(items) else None
        else:
            return None
    return value


_STEP = re.compile(r"""\.?([^.\[\]"]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]""")


def keys_of(path: str) -> tuple[str | int, ...] | None:
    """The keys of a path such as `spec.ports[0]["a.b"]`; None where it is not one."""
    keys: list[str | int] = []
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            return None
        name, index, quoted = found.groups()
        if index is not None:
            keys.append(int(index))
        else:
            keys.append(name if name is not None else re.sub(r"\\(.)", r"\1", quoted))
        position = found.end()
    return tuple(keys)


def by_gravity(changes: Sequence[Change]) -> list[Change]:
    """Replaces and deletes on top; within a kind what is made before what only groups it, then by type and name."""
    gravity = list(Kind)
    return sorted(changes, key=lambda change: (gravity.index(change.kind), not change.made, change.type, change.urn))
