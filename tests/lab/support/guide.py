"""A page of `docs` as its reader follows it: the pieces of a stack file, and the commands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[3] / "docs"

_BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Guide:
    """One page.

    :ivar steps: what each step writes, by the concerns of a stack file (``trust``).
    :ivar commands: the lines that are typed, each once.
    """

    steps: tuple[dict[str, Any], ...]
    commands: tuple[str, ...]

    @classmethod
    def read(cls, page: str) -> Guide:
        text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
        blocks = [(found["kind"], found["text"]) for found in _BLOCK.finditer(text)]
        written = [yaml.safe_load(block) for kind, block in blocks if kind == "yaml"]
        steps = [{key.partition(":")[2]: value for key, value in step.items()} for step in written]
        lines = [line for kind, block in blocks if kind == "sh" for line in block.splitlines()]
        return cls(tuple(steps), tuple(dict.fromkeys(lines)))
