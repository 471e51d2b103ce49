"""Fields of Istio's objects: those that there are."""

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from components.config.objects import API_VERSIONS
from policies.catalogue import MANDATORY, Finding, Setting, resource_policy
from policies.resources import Subject

_MEANT = {"configuration": "pluginConfig"}
"""Fields that are written for others, and do not look like them."""

_FIELDS = Path(__file__).parent / "data" / "istio_fields.txt"


@cache
def fields() -> Mapping[str, frozenset[str]]:
    """Names in the `spec` of each kind."""
    lines = [line for line in _FIELDS.read_text().split("\n") if line and not line.startswith("#")]
    return {kind: frozenset(names.split()) for kind, _, names in (line.partition(": ") for line in lines)}


@resource_policy(
    "istio-unknown-fields",
    MANDATORY,
    on=[f"{version.partition('/')[0]}/{kind}" for kind, version in API_VERSIONS.items()],
    description="Istio's objects have fields that Istio has.",
    reason="The API server drops a field that it does not know: what it was to say is not said.",
    source="Istio 1.31, chart base: custom resource definitions; kubernetes.io: field pruning",
)
def unknown_fields(found: Subject, _: Setting) -> Iterator[Finding]:
    known = fields().get(found.kind)
    if known is None:
        return
    for name, value in found.spec.items():
        if name not in known:
            near = (
                [_MEANT[name]] if _MEANT.get(name) in known else difflib.get_close_matches(name, known, n=1, cutoff=0.7)
            )
            yield Finding(
                f"{found.kind} has no field `{name}`",
                "The API server drops it, and what it was to say is not said",
                f"did you mean `{near[0]}`? Otherwise take it out" if near else "take it out",
                value.path,
            )
