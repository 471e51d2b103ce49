"""What holds for whatever is drawn: coverage of routes against requests, selection against looking at everything."""

from collections.abc import Mapping
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from components.config.objects import ROOT_NAMESPACE
from policies.mesh import Selection, selects
from policies.resources import Subject
from policies.stack_routes import _covers  # pyright: ignore[reportPrivateUsage]
from tests.policies.support import UNKNOWN, manifest

_PROPERTY = settings(max_examples=300, deadline=None, database=None, derandomize=True)

PATHS = ("/", "/api", "/api/", "/api/v1", "/api/v1/a", "/health")
METHODS = ("GET", "POST")
USERS = (None, "premium", "standard")

_conditions = st.fixed_dictionaries(
    {},
    optional={
        "uri": st.one_of(
            st.sampled_from(PATHS).map(lambda path: {"exact": path}),
            st.sampled_from(PATHS).map(lambda path: {"prefix": path}),
        ),
        "method": st.sampled_from(METHODS).map(lambda method: {"exact": method}),
        "headers": st.sampled_from(USERS[1:]).map(lambda user: {"user-type": {"exact": user}}),
        "name": st.sampled_from(["a", "b"]),
    },
)


def _matches(condition: Mapping[str, Any], path: str, method: str, user: str | None) -> bool:
    uri, headers = condition.get("uri", {}), condition.get("headers", {})
    return (
        ("exact" not in uri or path == uri["exact"])
        and ("prefix" not in uri or path.startswith(uri["prefix"]))
        and ("method" not in condition or method == condition["method"]["exact"])
        and ("user-type" not in headers or user == headers["user-type"]["exact"])
    )


@_PROPERTY
@given(wider=_conditions, narrower=_conditions)
def test_a_route_that_is_said_to_take_all_of_another_does(wider: dict[str, Any], narrower: dict[str, Any]) -> None:
    if _covers(wider, narrower):
        taken = [r for r in product(PATHS, METHODS, USERS) if _matches(narrower, *r) and not _matches(wider, *r)]
        assert taken == []


@_PROPERTY
@given(condition=_conditions)
def test_a_route_takes_all_of_its_own_and_one_without_conditions_takes_everything(condition: dict[str, Any]) -> None:
    assert _covers(condition, condition)
    assert _covers({}, condition)


_labels = st.dictionaries(st.sampled_from(["app", "version", "tier"]), st.sampled_from(["a", "b"]), max_size=3)
_namespaces = st.sampled_from(["exam", "shop", ROOT_NAMESPACE, UNKNOWN])


@_PROPERTY
@given(
    policies=st.lists(st.tuples(_namespaces, _labels, st.booleans()), max_size=6),
    namespace=st.sampled_from(["exam", "shop"]),
    labels=st.none() | _labels,
)
def test_a_selection_finds_what_looking_at_everything_finds(
    policies: list[tuple[str, dict[str, str], bool]], namespace: str, labels: dict[str, str] | None
) -> None:
    subjects = [
        Subject(
            manifest(
                {
                    "apiVersion": "security.istio.io/v1",
                    "kind": "AuthorizationPolicy",
                    "metadata": {"name": f"p{index}", "namespace": place},
                    "spec": {
                        **({"selector": {"matchLabels": wanted}} if wanted else {}),
                        **({"targetRefs": [{"kind": "Gateway", "name": "g"}]} if targeted else {}),
                    },
                }
            )
        )
        for index, (place, wanted, targeted) in enumerate(policies)
    ]
    everything = [s for s in subjects if s.namespace in (namespace, ROOT_NAMESPACE) and selects(s, labels)]
    found = Selection(subjects).holding(namespace, labels)
    assert {s.object_name for s in found} == {s.object_name for s in everything}
    assert len(found) == len(everything)
