"""The tables of the resource types that the stand-in carries: for every input, whether a change of it replaces the
resource. What has no entry is refused.

Each type names the document that it was read from. `replace` are inputs whose change makes a new resource, `update`
those that change in place (`a.b` is a part of an object). `sets` are lists without an order. `filled` are inputs that
AWS fills in where the program says nothing: to leave them out is no change. `untold` are those that AWS does not tell:
of one that was adopted they are not known. `defaults` are what the real provider
fills in. `autoname` is the input that gets a name where the program gives none.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

REGION = "region"
"""Every regional resource has it since version 7 of pulumi-aws; a change replaces (Terraform's guide to version 6,
enhanced region support)."""


class Autoname(BaseModel):
    """How a name is made where the program gives none (pulumi-terraform-bridge, pkg/tfbridge/names.go): the resource's
    logical name, a hyphen and seven random hexadecimal digits.

    Attributes:
        property: The input.
        prefix: What stands in front.
        longest: Characters that the name may have.
        unless: An input that says the beginning of a name which is made when the resource is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    property: str
    prefix: str = ""
    longest: int = 255
    unless: str | None = None


class Table(BaseModel):
    """One type; see the module's text.

    Attributes:
        source: The document that says what replaces.
        api: The document of AWS whose rules `Check` and the account apply.
        regional: Whether it has the input `region`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    api: str
    regional: bool = True
    replace: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = Field(default_factory=dict)
    autoname: Autoname | None = None

    @property
    def entries(self) -> frozenset[str]:
        """Names of the inputs that have an entry (`a` for `a.b`)."""
        region = (REGION,) if self.regional else ()
        return frozenset(path.partition(".")[0] for path in (*self.replace, *self.update, *region))

    def replaces(self, path: str) -> bool:
        """Whether a change at a path (`a`, `a.b`) makes a new resource. The longest entry that covers it decides."""
        if path == REGION:
            return self.regional
        words = path.split(".")
        for length in range(len(words), 0, -1):
            part = ".".join(words[:length])
            if part in self.replace:
                return True
            if part in self.update:
                return False
        return False


@cache
def tables() -> Mapping[str, Table]:
    """All types, by token."""
    found: dict[str, Table] = {}
    for file in sorted(Path(__file__).parent.glob("*.yaml")):
        for token, content in yaml.safe_load(file.read_text()).items():
            if token in found:
                raise ValueError(f"{file.name}: {token} has two tables")
            found[token] = Table.model_validate(content)
    return found
