"""Every entry of the tables is one of the installed package, and says what the real provider's schema says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi import _types

from lab.aws.plugin import kinds
from lab.aws.plugin.kind import KINDS
from lab.aws.plugin.schema import UnknownType, schema_of
from lab.aws.plugin.tables import REGION, tables

assert kinds
TOKENS = sorted(tables())


def test_every_type_that_is_carried_has_a_table_and_the_other_way_round() -> None:
    assert set(KINDS) == set(tables())


@pytest.mark.parametrize("token", TOKENS)
def test_the_entries_are_inputs_of_the_installed_package(token: str) -> None:
    schema, table = schema_of(token), tables()[token]
    assert table.entries <= set(schema.inputs)
    assert schema.required <= table.entries, "what has to be given has to be taken"
    assert table.regional == (REGION in schema.inputs)
    assert set(table.defaults) <= table.entries
    if table.autoname:
        assert table.autoname.property in table.replace


@pytest.mark.parametrize("token", TOKENS)
def test_paths_lead_to_parts_of_inputs(token: str) -> None:
    table, inputs = tables()[token], schema_of(token).inputs
    for path in (*table.replace, *table.update, *table.sets, *table.filled):
        assert _leads(inputs, path.split(".")), f"{path} leads nowhere"
    assert not set(table.replace) & set(table.update), "a change replaces or it does not"


@pytest.mark.parametrize("token", TOKENS)
def test_computed_outputs_are_outputs_of_the_installed_package(token: str) -> None:
    outputs, kind = schema_of(token).outputs, KINDS[token]
    assert set(kind.computed) <= outputs
    assert set(kind.inner) <= outputs


@pytest.mark.parametrize("token", TOKENS)
def test_documents_are_named(token: str) -> None:
    table = tables()[token]
    assert re.fullmatch(r"internal/service/[a-z0-9]+/[a-z0-9_]+\.go", table.source)
    assert re.fullmatch(r"[\w-]+(/[\w-]+)*/[\w-]+\.html", table.api)


def _leads(types: Any, words: list[str]) -> bool:
    first, *rest = words
    if first not in types:
        return False
    inner = _types.unwrap_type(types[first])
    return not rest or (_types.is_input_type(inner) and _leads(_types.input_type_types(inner), rest))


def said_to_replace(token: str) -> Iterator[str]:
    """Inputs of which the package's own documentation says that a change makes a new resource."""
    import importlib
    import inspect

    _, module, name = re.split(r"[:/]", token)[0], token.split(":")[1].split("/")[0], token.rpartition(":")[2]
    package = importlib.import_module(f"pulumi_aws.{module}")
    arguments = getattr(package, f"{name}InitArgs", None) or getattr(package, f"{name}Args")
    names = _types.input_type_py_to_pulumi_names(arguments)
    for line in (inspect.getdoc(arguments.__init__) or "").splitlines():
        match = re.match(r":param .*? (\w+): (.*)", line.strip())
        if match and re.search(r"[Ff]orces (a )?new resource|Changing this (forces|creates)", match[2]):
            yield names[match[1]]


CONDITIONAL = {
    # "If `vpc_endpoint_type` is anything other than `Interface`": there the stand-in does not take it.
    "aws:ec2/vpcEndpoint:VpcEndpoint: privateDnsEnabled",
}


def test_what_the_package_says_to_replace_replaces() -> None:
    wrong = [
        f"{token}: {name}"
        for token in TOKENS
        for name in said_to_replace(token)
        if name in tables()[token].entries and not tables()[token].replaces(name)
    ]
    assert set(wrong) == CONDITIONAL


def test_private_names_are_of_interface_endpoints_alone() -> None:
    kind = KINDS["aws:ec2/vpcEndpoint:VpcEndpoint"]
    assert list(kind.check({"vpcEndpointType": "Gateway", "privateDnsEnabled": True}))
    assert not list(kind.check({"vpcEndpointType": "Interface", "privateDnsEnabled": True}))


def test_a_type_that_the_package_does_not_have_is_told() -> None:
    with pytest.raises(UnknownType, match="aws:ec2/moon:Moon: the installed pulumi-aws has no such resource type"):
        schema_of("aws:ec2/moon:Moon")
