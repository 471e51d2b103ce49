"""What can be told of an expression of Envoy's (CEL) before a proxy tries it.

cel-python reads the language; what it lets pass and Envoy does not (`has` of an index) is looked for besides.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, cast

from celpy import Environment
from celpy.celparser import CELParseError
from lark import Token, Tree

Expression = Tree[Any]

_UNBOUNDED = (
    ("request", "headers"),
    ("request", "path"),
    ("request", "url_path"),
    ("request", "id"),
    ("request", "time"),
    ("request", "referer"),
    ("request", "useragent"),
    ("request", "query"),
    ("request", "size"),
    ("request", "total_size"),
    ("request", "duration"),
    ("response", "headers"),
    ("response", "size"),
    ("response", "total_size"),
    ("source", "address"),
    ("source", "port"),
    ("connection", "id"),
)
"""Of Envoy's attributes, those whose values have no bound, or are in the sender's hand (envoyproxy.io: Attributes)."""


@cache
def _environment() -> Environment:
    return Environment()


def parsed(expression: str) -> Expression | None:
    """The expression's tree; None where it is none."""
    try:
        return cast(Any, _environment()).compile(expression.strip())
    except CELParseError:
        return None


def wrong_has(tree: Expression) -> Iterator[str]:
    """What `has(...)` is asked of that is no field."""
    for call in tree.find_data("ident_arg"):
        name, *arguments = call.children
        if isinstance(name, Token) and name == "has":
            inner = _core(cast(Expression, arguments[0])) if arguments else None
            if inner is None or inner.data != "member_dot":
                yield _text(inner) if inner is not None else ""


def unbounded(tree: Expression) -> list[str]:
    """Attributes whose values become the expression's own as they are: a label of them has no bound."""
    return list(dict.fromkeys(_results(tree, frozenset())))


def _results(tree: Expression, listed: frozenset[str]) -> Iterator[str]:
    core = _core(tree)
    if core.data == "expr":
        condition, then, otherwise = cast(list[Expression], core.children)
        yield from _results(then, listed | _enumerated(condition))
        yield from _results(otherwise, listed)
    elif core.data in ("addition", "addition_add"):
        for child in core.children:
            yield from _results(cast(Expression, child), listed)
    elif core.data == "ident_arg" and str(core.children[0]) == "string":
        for child in core.children[1:]:
            yield from _results(cast(Expression, child), listed)
    elif core.data in ("member_dot", "member_index") and _text(core) not in listed:
        words = _words(core)
        if any(tuple(words[: len(name)]) == name for name in _UNBOUNDED):
            yield _text(core)


def _enumerated(condition: Expression) -> frozenset[str]:
    """Attributes that, where the condition holds, have one of the values that it lists."""
    core = _core(condition)
    if core.data == "conditionalor":
        sides = [_enumerated(cast(Expression, child)) for child in core.children]
        return sides[0].intersection(*sides[1:])
    if core.data == "conditionaland":
        return frozenset[str]().union(*(_enumerated(cast(Expression, child)) for child in core.children))
    if core.data == "relation" and len(core.children) == 2:
        operator, right = cast(list[Expression], core.children)
        if operator.data in ("relation_eq", "relation_in") and _constant(right):
            return frozenset({_text(_core(cast(Expression, operator.children[0])))})
    return frozenset()


def _constant(tree: Expression) -> bool:
    return not any(True for _ in tree.find_data("ident"))


def _core(tree: Expression) -> Expression:
    """The tree without the levels of the grammar, and the brackets, that change nothing."""
    while len(tree.children) == 1 and isinstance(tree.children[0], Tree) and tree.data not in ("list_lit", "map_lit"):
        tree = cast(Expression, tree.children[0])
    return tree


def _words(tree: Expression) -> list[str]:
    return [str(token) for token in tree.scan_values(lambda value: isinstance(value, Token))]


def _text(tree: Expression) -> str:
    """Near to what was written: `request.headers['user-type']`."""
    words = _words(tree)
    return "".join(
        word if index == 0 else f"[{word}]" if word[:1] in "'\"0123456789" else f".{word}"
        for index, word in enumerate(words)
    )
