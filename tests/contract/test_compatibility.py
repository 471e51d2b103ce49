"""Two versions of the contract compared: what may change without a new major, and what may not."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istio_mesh_contract import schema
from istio_mesh_contract.compatibility import Break, breaks

from tests.contract.readers import readers, sentence

Schema = dict[str, Any]
OLD = schema.schema()


def changed(change: Callable[[Schema], object]) -> Schema:
    new = copy.deepcopy(OLD)
    change(new)
    return new


def part(new: Schema, name: str) -> Schema:
    return new if name == "MeshOutputs" else new["$defs"][name]


def take(model: str, field: str) -> Callable[[Schema], object]:
    def change(new: Schema) -> None:
        del part(new, model)["properties"][field]
        part(new, model)["required"] = [one for one in part(new, model).get("required", []) if one != field]

    return change


def rename(model: str, field: str, to: str) -> Callable[[Schema], object]:
    def change(new: Schema) -> None:
        here = part(new, model)
        here["properties"] = {to if key == field else key: value for key, value in here["properties"].items()}
        here["required"] = [to if key == field else key for key in here.get("required", [])]

    return change


def edit(model: str, field: str, **rules: Any) -> Callable[[Schema], object]:
    return lambda new: part(new, model)["properties"][field].update(rules)


def need(model: str, field: str) -> Callable[[Schema], object]:
    return lambda new: part(new, model).setdefault("required", []).append(field)


def free(model: str, field: str) -> Callable[[Schema], object]:
    return lambda new: part(new, model)["required"].remove(field)


def add(model: str, field: str, value: Schema) -> Callable[[Schema], object]:
    return lambda new: part(new, model)["properties"].update({field: value})


def both(*changes: Callable[[Schema], object]) -> Callable[[Schema], object]:
    return lambda new: [change(new) for change in changes]


BREAKING: list[tuple[str, Callable[[Schema], object], list[tuple[str, str]]]] = [
    ("a field removed", take("MeshIdentity", "revision"), [("mesh.revision", "it is removed")]),
    (
        "an optional field removed",
        take("MeshIdentity", "ingressAuthority"),
        [("mesh.ingressAuthority", "it is removed")],
    ),
    ("an output removed", take("MeshOutputs", "gateways"), [("gateways", "it is removed")]),
    (
        "a field renamed",
        rename("MeshIdentity", "trustDomain", "domain"),
        [
            ("mesh.trustDomain", "it is renamed to `domain`"),
            ("mesh.domain", "it is new and required, and outputs of before lack it"),
        ],
    ),
    (
        "a part that stands at two places",
        take("LoadBalancer", "name"),
        [("clusters.*.ingress.name", "it is removed"), ("clusters.*.eastWest.name", "it is removed")],
    ),
    (
        "a narrower text",
        edit("ClusterOutputs", "region", pattern="^us-"),
        [("clusters.*.region", "it is narrowed: pattern `^us-`")],
    ),
    (
        "one of a few",
        edit("Tls", "minimumVersion", enum=["1.3"]),
        [("gateways.*.tls.minimumVersion", "it is narrowed: enum `['1.3']`")],
    ),
    (
        "a smaller number",
        edit("PortOutputs", "number", maximum=1024),
        [("services.*.ports.*.number", "its maximum was `65535` and is `1024`")],
    ),
    (
        "another type",
        edit("Collector", "port", type="string"),
        [("telemetry.traces.port", "its type was `integer` and is `string`")],
    ),
    (
        "an optional field made required",
        need("ServiceOutputs", "versions"),
        [("services.*.versions", "it is made required, and outputs of before may lack it")],
    ),
    (
        "a required field made optional",
        free("ClusterOutputs", "apiServer"),
        [("clusters.*.apiServer", "it may be absent now, and readers count on it")],
    ),
    (
        "a new field that is required",
        both(add("MeshIdentity", "owner", {"type": "string"}), need("MeshIdentity", "owner")),
        [("mesh.owner", "it is new and required, and outputs of before lack it")],
    ),
    (
        "a wider text",
        lambda new: part(new, "ClusterOutputs")["properties"]["apiServer"].pop("pattern"),
        [("clusters.*.apiServer", "it is widened: no pattern `^https://`")],
    ),
    (
        "a choice of types",
        lambda new: part(new, "MeshIdentity")["properties"].update(
            revision={"anyOf": [{"type": "string", "pattern": "x"}, {"type": "integer"}]}
        ),
        [
            ("mesh.revision", "it is widened: it may be integer now"),
            ("mesh.revision", "its pattern was `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$` and is `x`"),
            ("mesh.revision", "it is widened: no maxLength `63`"),
        ],
    ),
    (
        "items of another kind",
        lambda new: part(new, "ServiceOutputs")["properties"]["clusters"].update(items={"type": "object"}),
        [
            ("services.*.clusters[]", "it is widened: no maxLength `63`"),
            ("services.*.clusters[]", "it is widened: no pattern `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`"),
            ("services.*.clusters[]", "its type was `string` and is `object`"),
        ],
    ),
    (
        "keys of another kind",
        lambda new: part(new, "MeshOutputs")["properties"]["services"].update(
            patternProperties={"^.*$": {"$ref": "#/$defs/ServiceOutputs"}}
        ),
        [("services", "its keys are others")],
    ),
]


@pytest.mark.parametrize(("change", "expected"), [pytest.param(c, e, id=name) for name, c, e in BREAKING])
def test_what_readers_would_not_survive_fails(
    change: Callable[[Schema], object], expected: list[tuple[str, str]]
) -> None:
    found = [(broken.path, broken.what) for broken in breaks(OLD, changed(change))]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(("change", "expected"), [pytest.param(c, e, id=name) for name, c, e in BREAKING])
def test_it_passes_once_the_version_has_risen(change: Callable[[Schema], object], expected: object) -> None:
    new = changed(change)
    new["properties"]["contractVersion"]["const"] += 1
    assert breaks(OLD, new) == []


PLACES = [(name, field) for name in ("MeshOutputs", *OLD["$defs"]) for field in part(OLD, name)["properties"]]


@given(place=st.sampled_from(PLACES), name=st.from_regex(r"[a-z][a-zA-Z]{3,12}New", fullmatch=True))
def test_an_optional_field_may_be_added_anywhere(place: tuple[str, str], name: str) -> None:
    assert breaks(OLD, changed(add(place[0], name, {"type": "string"}))) == []


@given(place=st.sampled_from(PLACES))
def test_no_field_can_go(place: tuple[str, str]) -> None:
    if place == ("MeshOutputs", "contractVersion"):
        return
    found = breaks(OLD, changed(take(*place)))
    assert {(broken.model, broken.field, broken.what) for broken in found} == {(*place, "it is removed")}


@given(place=st.sampled_from(PLACES))
def test_no_field_can_be_narrowed(place: tuple[str, str]) -> None:
    found = breaks(OLD, changed(edit(*place, enum=[])))
    assert {broken.what for broken in found} == {"it is narrowed: enum `[]`"}


def test_a_model_may_take_another_name_and_words_may_change() -> None:
    def change(new: Schema) -> None:
        new["$defs"]["Balancer"] = new["$defs"].pop("LoadBalancer")
        for field in ("ingress", "eastWest"):
            new["$defs"]["ClusterOutputs"]["properties"][field]["$ref"] = "#/$defs/Balancer"
        new["$defs"]["MeshIdentity"]["properties"]["id"]["description"] = "In other words."

    assert breaks(OLD, changed(change)) == []


def test_the_examples_readers_of_a_field_are_named() -> None:
    known = readers()
    (broken,) = breaks(OLD, changed(take("Collector", "port")))
    said = sentence(broken, known)
    assert said.startswith("telemetry.traces.port: it is removed. Read by examples/consumer/workload.py:")
    assert said.endswith(
        ". Leave it as it was and add a field beside it, or raise VERSION to 2 and release its schema "
        "(`python -m istio_mesh_contract.schema --release`)."
    )
    (broken,) = breaks(OLD, changed(take("GatewayOutputs", "principal")))
    assert "Read by examples/consumer (by components." in sentence(broken, known)
    (broken,) = breaks(OLD, changed(take("Vpc", "subnets")))
    assert "No example reads it; other programs may." in sentence(broken, known)


def test_a_break_says_where_it_is_in_the_model() -> None:
    assert breaks(OLD, changed(take("Vpc", "id"))) == [Break("clusters.*.vpc.id", "it is removed", "Vpc", "id")]
