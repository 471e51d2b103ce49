"""Whether programs that read one version of the contract survive another: two JSON schemas, compared.

Both ways count: an old program reads new outputs, and a new one outputs that were made before. So a field stays as it
is, to the letter, until the version rises; what may come is a field that may be absent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

Schema = dict[str, Any]

_SAID = frozenset({"description", "title", "examples", "$schema", "$defs", "$id"})
"""What is for people alone."""

_PARTS = frozenset({"properties", "required", "items", "additionalProperties", "patternProperties", "anyOf", "$ref"})
"""What is compared by itself."""


@dataclass(frozen=True)
class Break:
    """One field that readers would not survive."""

    path: str
    """As in `clusters.*.ingress.address`."""

    what: str
    """What became of it."""

    model: str
    """Name of the model that has the field, which may stand at several paths."""

    field: str
    """The field in it."""


def breaks(old: Schema, new: Schema) -> list[Break]:
    """What a reader of `old` would not survive in `new`; nothing where the version has risen."""
    before, after = _version(old), _version(new)
    if isinstance(before, int) and isinstance(after, int) and after > before:
        return []
    return list(_Comparison(old, new).run())


def _version(schema: Schema) -> object:
    return schema.get("properties", {}).get("contractVersion", {}).get("const")


@dataclass(frozen=True)
class _Field:
    path: str
    model: str
    name: str

    def broken(self, what: str) -> Break:
        return Break(self.path, what, self.model, self.name)


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new

    def run(self) -> Iterator[Break]:
        yield from self._values(self._old, self._new, _Field("", "MeshOutputs", ""))

    def _values(self, old: Schema, new: Schema, field: _Field) -> Iterator[Break]:
        # The name of a model is its own affair; what it holds is compared.
        inside = str(old["$ref"]).rpartition("/")[2] if "$ref" in old else field.model
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        yield from self._rules(old, new, field)
        if "properties" in old and "properties" in new:
            yield from self._objects(old, new, _Field(field.path, inside, field.name))
        if "anyOf" in old or "anyOf" in new:
            yield from self._choices(old, new, field)
        for inner, step in (("items", "[]"), ("additionalProperties", ".*")):
            if isinstance(old.get(inner), dict) and isinstance(new.get(inner), dict):
                below = _Field(f"{field.path}{step}", field.model, field.name)
                yield from self._values(old[inner], new[inner], below)
            elif (inner in old) != (inner in new) and "anyOf" not in old:
                yield field.broken("what it holds is another")
        yield from self._maps(old.get("patternProperties"), new.get("patternProperties"), field)

    def _objects(self, old: Schema, new: Schema, here: _Field) -> Iterator[Break]:
        before, after = cast(dict[str, Schema], old["properties"]), cast(dict[str, Schema], new["properties"])
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        added = [name for name in after if name not in before]
        for name, value in before.items():
            field = _Field(f"{here.path}.{name}".lstrip("."), here.model, name)
            if name not in after:
                same = next((other for other in added if _same(after[other], self._new, value, self._old)), None)
                yield field.broken(f"it is renamed to `{same}`" if same else "it is removed")
                continue
            if name in needs - needed:
                yield field.broken("it is made required, and outputs of before may lack it")
            if name in needed - needs:
                yield field.broken("it may be absent now, and readers count on it")
            yield from self._values(value, after[name], field)
        for name in added:
            if name in needs:
                field = _Field(f"{here.path}.{name}".lstrip("."), here.model, name)
                yield field.broken("it is new and required, and outputs of before lack it")

    def _choices(self, old: Schema, new: Schema, field: _Field) -> Iterator[Break]:
        before, after = _kinds(old, self._old), _kinds(new, self._new)
        if set(before) - set(after):
            yield field.broken(f"it is narrowed: {' or '.join(sorted(set(before) - set(after)))} is it no more")
        if set(after) - set(before):
            yield field.broken(f"it is widened: it may be {' or '.join(sorted(set(after) - set(before)))} now")
        for kind in sorted(set(before) & set(after)):
            yield from self._values(before[kind], after[kind], field)

    def _maps(self, old: Any, new: Any, field: _Field) -> Iterator[Break]:
        if old is None and new is None:
            return
        before, after = cast(dict[str, Schema], old or {}), cast(dict[str, Schema], new or {})
        if set(before) != set(after):
            yield field.broken("its keys are others")
            return
        for pattern, value in before.items():
            yield from self._values(value, after[pattern], _Field(f"{field.path}.*", field.model, field.name))

    def _rules(self, old: Schema, new: Schema, field: _Field) -> Iterator[Break]:
        if "anyOf" in old or "anyOf" in new:
            return
        for rule in sorted((old.keys() | new.keys()) - _SAID - _PARTS):
            if rule in old and rule in new and old[rule] != new[rule]:
                yield field.broken(f"its {rule} was `{old[rule]}` and is `{new[rule]}`")
            elif rule in new and rule not in old:
                yield field.broken(f"it is narrowed: {rule} `{new[rule]}`")
            elif rule in old and rule not in new:
                yield field.broken(f"it is widened: no {rule} `{old[rule]}`")


def _resolved(schema: Schema, root: Schema) -> Schema:
    """A reference's target; what stands beside the reference is kept."""
    if "$ref" not in schema:
        return schema
    target = root["$defs"][str(schema["$ref"]).rpartition("/")[2]]
    return {**target, **{key: value for key, value in schema.items() if key not in ("$ref", *_SAID)}}


def _kinds(schema: Schema, root: Schema) -> dict[str, Schema]:
    """What a value may be, by its type; a single one is a choice of one."""
    listed = [_resolved(choice, root) for choice in schema["anyOf"]] if "anyOf" in schema else [schema]
    return {str(choice.get("type", "anything")): choice for choice in listed}


def _same(one: Schema, root: Schema, other: Schema, other_root: Schema) -> bool:
    return _meant(one, root) == _meant(other, other_root)


def _meant(schema: Any, root: Schema) -> Any:
    """A schema without what is for people."""
    if isinstance(schema, list):
        return [_meant(item, root) for item in cast(list[Any], schema)]
    if not isinstance(schema, dict):
        return schema
    resolved = _resolved(cast(Schema, schema), root)
    return {key: _meant(value, root) for key, value in resolved.items() if key not in _SAID}
