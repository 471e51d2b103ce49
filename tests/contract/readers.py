"""Which examples read which field of the contract: seen while they run, by the fields that they or helpers touch."""

import sys
from collections import defaultdict
from collections.abc import Mapping, Set
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from istio_mesh_contract import model
from istio_mesh_contract.compatibility import Break
from istio_mesh_contract.model import VERSION, Part

from tests.contract.consumers import EXAMPLES, REPOSITORY, example

Readers = Mapping[tuple[str, str], Set[str]]
"""By model and field, as the schema names them."""

_PACKAGE = Path(model.__file__).parent


@cache
def readers() -> Readers:
    """Of every field that the examples read."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    plain = object.__getattribute__

    def watched(self: Part, name: str) -> Any:
        fields = type(self).model_fields
        if name in fields and (by := _reader()) is not None:
            found[type(self).__name__, fields[name].alias or name].add(by)
        return plain(self, name)

    with patch.object(Part, "__getattribute__", watched):
        example()
    return found


def sentence(broken: Break, known: Readers) -> str:
    """What became of a field, who reads it, and what to do."""
    by = sorted(known.get((broken.model, broken.field), ()))
    who = f"Read by {' and '.join(by)}" if by else "No example reads it; other programs may"
    return (
        f"{broken.path}: {broken.what}. {who}. Leave it as it was and add a field beside it, or raise VERSION to "
        f"{VERSION + 1} and release its schema (`python -m istio_mesh_contract.schema --release`)."
    )


def _reader() -> str | None:
    """The example's line, or the helper of the package by which an example reads; None for the engine of the models."""
    frame, helper = sys._getframe(2), None
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(EXAMPLES):
            return f"{file.relative_to(REPOSITORY)}:{frame.f_lineno}"
        if helper is None and file.parent == _PACKAGE and file.stem not in ("model", "reading"):
            helper = f"examples/consumer (by {file.stem}.{frame.f_code.co_name})"
        frame = frame.f_back
    return helper
