"""What is told of expressions before a proxy tries them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.config.telemetry import AccessLogsConfig, MetricTagConfig
from policies import cel

SESSION = "request.headers['session']"


@pytest.mark.parametrize(
    ("expression", "unbounded"),
    [
        ("has(request.protocol) ? request.protocol : 'none'", []),
        ("'session' in request.headers ? 'present' : 'absent'", []),
        ("request.url_path.startsWith('/api') ? 'api' : 'other'", []),
        ("response.code >= 500 || request.duration > duration('1s')", []),
        (f"{SESSION} in ['a', 'b'] ? {SESSION} : 'other'", []),
        (f"({SESSION} == 'a' || {SESSION} == 'b') ? {SESSION} : 'other'", []),
        (f"'session' in request.headers && {SESSION} == 'a' ? {SESSION} : 'other'", []),
        (SESSION, [SESSION]),
        (f"'session' in request.headers ? {SESSION} : 'none'", [SESSION]),
        (f"{SESSION} == 'a' ? 'a' : {SESSION}", [SESSION]),
        (f"({SESSION} == 'a' || true) ? {SESSION} : 'other'", [SESSION]),
        (f"request.headers['other'] == 'a' ? {SESSION} : 'other'", [SESSION]),
        (f"{SESSION} == request.headers['other'] ? {SESSION} : 'other'", [SESSION]),
        ("'path ' + request.path", ["request.path"]),
        ("string(request.size)", ["request.size"]),
    ],
)
def test_attributes_without_a_bound_are_named(expression: str, unbounded: list[str]) -> None:
    tree = cel.parsed(expression)
    assert tree is not None
    assert cel.unbounded(tree) == unbounded


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("has(request.path)", []),
        (f"has({SESSION})", [SESSION]),
        (f"!has({SESSION}) || has(request.headers)", [SESSION]),
        ("has(path)", ["path"]),
    ],
)
def test_has_takes_a_field(expression: str, wrong: list[str]) -> None:
    tree = cel.parsed(expression)
    assert tree is not None
    assert list(cel.wrong_has(tree)) == wrong


@pytest.mark.parametrize("expression", ["a ? ", "a b", "'", "has(", ""])
def test_what_is_no_expression_is_none(expression: str) -> None:
    assert cel.parsed(expression) is None


_headers = st.sampled_from(["user-type", "exam-session-id", "x-a"])
_values = st.lists(st.sampled_from(["premium", "standard", "a b", "x/y"]), min_size=1, max_size=3, unique=True)
_tags: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(lambda h: {"header": h}, _headers),
    st.builds(lambda h, v: {"header": h, "values": v}, _headers, _values),
    st.builds(lambda h: {"header": h, "raw": True}, _headers),
    st.builds(lambda a: {"attribute": a}, st.sampled_from(["request.protocol", "request.method"])),
)


@settings(max_examples=50, deadline=None, database=None, derandomize=True)
@given(tag=_tags, status=st.integers(400, 599))
def test_what_the_programs_models_make_is_right_and_bounded_unless_it_is_raw(tag: dict[str, Any], status: int) -> None:
    logs = AccessLogsConfig.model_validate({"statusFrom": status}).expression
    for expression in (MetricTagConfig.model_validate(tag).expression, logs):
        tree = cel.parsed(expression)
        assert tree is not None, expression
        assert list(cel.wrong_has(tree)) == []
        raw = tag.get("raw") and expression is not logs
        assert cel.unbounded(tree) == ([f"request.headers['{tag['header']}']"] if raw else [])
