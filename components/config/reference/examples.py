"""The examples of the reference: pieces of a stack file in `docs/examples`, one file per value.

A file holds YAML documents. The comment above a document is its title (the first line) and what a reader has to know;
what follows stands below `config:` of a `Pulumi.<stack>.yaml` as it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast, get_origin

import yaml

from components.config.faults import NAMESPACE
from components.config.stack import StackConfig

FOLDER = Path(__file__).parents[3] / "docs" / "examples"

BY_NAME = frozenset(
    field.alias or name for name, field in StackConfig.model_fields.items() if get_origin(field.annotation) is dict
)
"""Values whose entries stand beside each other; any other value is one piece."""


@dataclass(frozen=True)
class Example:
    """One answer to `How do I ...?`."""

    title: str
    text: str
    """What a reader has to know of it; may be empty."""
    yaml: str
    """As it is shown."""

    @cached_property
    def values(self) -> dict[str, Any]:
        """By the keys of the namespace: `services`, `egress`, ..."""
        written = cast(dict[str, Any], yaml.safe_load(self.yaml))
        return {key.removeprefix(f"{NAMESPACE}:"): value for key, value in written.items()}

    def within(self, stack: Mapping[str, Any]) -> dict[str, Any]:
        """The whole stack with this piece in it."""
        whole = dict(stack)
        for key, value in self.values.items():
            whole[key] = {**whole.get(key, {}), **value} if key in BY_NAME else value
        return whole


@cache
def examples(page: str) -> tuple[Example, ...]:
    """Those of one file, in its order."""
    documents = re.split(r"^---\n", (FOLDER / f"{page}.yaml").read_text(), flags=re.MULTILINE)
    return tuple(_example(document) for document in documents)


def stack() -> Example:
    """The whole stack in which all others stand."""
    (whole,) = examples("stack")
    return whole


def _example(document: str) -> Example:
    lines = document.strip("\n").split("\n")
    end = next(index for index, line in enumerate(lines) if not line.startswith("#"))
    title, *text = (line.removeprefix("#").strip() for line in lines[:end])
    return Example(title, " ".join(text), "\n".join(lines[end:]) + "\n")
