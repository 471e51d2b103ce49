"""Which values of a change may be shown, and under which paths."""

from __future__ import annotations

from typing import Any

import pytest

from previews.changes import Change, Difference, Kind, by_gravity, change_of, keys_of, together
from previews.events import SECRET, SIGNATURE, UNKNOWN, PropertyDiff, State, Step

SEALED = {SIGNATURE: SECRET, "ciphertext": "[secret]"}


def _difference(path: str, old: Any, new: Any, type_token: str = "kubernetes:apps/v1:Deployment") -> Difference:
    step = Step(
        op="update",
        urn="urn:pulumi:prod::mesh::x::one",
        type=type_token,
        old=State(inputs=old),
        new=State(inputs=new),
        detailed_diff={path: PropertyDiff(diff_kind="update", input_diff=True)},
    )
    change = change_of(step)
    assert change is not None
    return change.differences[0]


SHOWN = [
    ("spec.replicas", {"spec": {"replicas": 2}}, {"spec": {"replicas": 3.0}}, ("2", "3")),
    ("spec.replicas", {"spec": {}}, {"spec": {"replicas": 3}}, (None, "3")),
    ("version", {"version": "1.30.4"}, {"version": "1.31.0"}, ("1.30.4", "1.31.0")),
    ("tls.mode", {"tls": {"mode": "SIMPLE"}}, {"tls": {"mode": "MUTUAL"}}, ("SIMPLE", "MUTUAL")),
    ("spec.ports[0].port", {"spec": {"ports": [{"port": 80}]}}, {"spec": {"ports": [{"port": 443}]}}, ("80", "443")),
    ("version", {"version": "1"}, {"version": UNKNOWN}, ("1", "known after the update")),
    ("deletionProtection", {"deletionProtection": True}, {"deletionProtection": False}, ("true", "false")),
]  # fmt: skip


@pytest.mark.parametrize(("path", "old", "new", "values"), SHOWN)
def test_values_of_sizes_shares_versions_and_ports_are_shown(path: str, old: Any, new: Any, values: Any) -> None:
    assert _difference(path, old, new).values == values


HIDDEN = [
    ("a path that is not on the list", "spec.template", {"spec": {"template": "a"}}, {"spec": {"template": "b"}}),
    ("a value of people", "metadata.labels.owner", {"metadata": {"labels": {"owner": "a"}}}, {"metadata": {}}),
    ("a secret", "version", {"version": SEALED}, {"version": "2"}),
    ("what is inside of a secret", "spec.replicas", {"spec": SEALED}, {"spec": {"replicas": 2}}),
    ("a whole object", "version", {"version": {"a": 1}}, {"version": {"a": 2}}),
    ("a long text", "version", {"version": "x" * 61}, {"version": "2"}),
    ("several lines", "version", {"version": "a\nb"}, {"version": "2"}),
    ("a path that is none", "[version", {"version": "1"}, {"version": "2"}),
]


@pytest.mark.parametrize(("path", "old", "new"), [case[1:] for case in HIDDEN], ids=[case[0] for case in HIDDEN])
def test_all_other_values_are_not(path: str, old: Any, new: Any) -> None:
    assert _difference(path, old, new) == Difference(path, "update")


@pytest.mark.parametrize("type_token", ["kubernetes:core/v1:Secret", "aws:secretsmanager/secretVersion:SecretVersion"])
def test_of_a_secret_no_value_is_shown_whatever_its_path(type_token: str) -> None:
    assert _difference("version", {"version": "1"}, {"version": "2"}, type_token).values is None


def test_what_is_an_sdks_own_is_left_out() -> None:
    diffs = {"__provider": PropertyDiff(diff_kind="update"), "room": PropertyDiff(diff_kind="add-replace")}
    change = change_of(Step(op="replace", urn="u", type="t", detailed_diff=diffs))
    assert change == Change("u", "t", Kind.REPLACE, (Difference("room", "add", replaces=True),), made=False)


@pytest.mark.parametrize("op", ["same", "read", "refresh", "discard", "an-op-of-a-later-engine"])
def test_other_operations_change_nothing(op: str) -> None:
    assert change_of(Step(op=op, urn="u", type="t")) is None


def test_without_differences_of_the_provider_the_outputs_are_compared() -> None:
    old = {"tags": {"a.b": "1", "team": "x"}, "rules": [{"port": 1}, {"port": 2}], "password": SEALED, "gone": 1}
    new = {"tags": {"a.b": "2", "team": "x"}, "rules": [{"port": 1}, {"port": 3}], "password": "plain", "come": 1}
    step = Step(op="update", urn="u", type="t", old=State(outputs=old), new=State(outputs=new))
    change = change_of(step)
    assert change is not None
    assert change.differences == (
        Difference("come", "add"),
        Difference("gone", "delete"),
        Difference("password", "update"),
        Difference("rules[1].port", "update", values=("2", "3")),
        Difference('tags["a.b"]', "update"),
    )


def test_a_protected_resource_is_known_as_such() -> None:
    change = change_of(Step(op="delete", urn="u", type="t", old=State(protect=True)))
    assert change == Change("u", "t", Kind.DELETE, protected=True, made=False)


def test_of_two_steps_the_graver_counts_and_what_is_said_stays() -> None:
    said = Difference("room", "update", replaces=True)
    create = Change("u", "t", Kind.CREATE)
    replace = Change("u", "t", Kind.REPLACE, (said,))
    assert together(create, replace) == together(replace, create) == replace


def test_order_is_by_gravity_then_what_is_made_then_name() -> None:
    changes = [Change(urn, "t", kind, made=urn != "c") for kind in reversed(Kind) for urn in ("c", "b", "a")]
    assert [(change.kind, change.urn) for change in by_gravity(changes)] == [
        (kind, urn) for kind in Kind for urn in ("a", "b", "c")
    ]


PATHS = [
    ("spec.http[0].route", ("spec", "http", 0, "route")),
    ('metadata.annotations["a.b/c"].d', ("metadata", "annotations", "a.b/c", "d")),
    ('["quoted \\"key\\""]', ('quoted "key"',)),
    ("", ()),
    ("a..b", None),
    ("a[", None),
]


@pytest.mark.parametrize(("path", "keys"), PATHS)
def test_paths_are_read_as_the_engine_writes_them(path: str, keys: Any) -> None:
    assert keys_of(path) == keys
