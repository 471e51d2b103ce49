"""Filters of the lab's own for its proxies: WebAssembly text in this folder, compiled where it is needed."""

from __future__ import annotations

from pathlib import Path

import wasmtime

FOLDER = Path(__file__).parent


def compiled(name: str) -> bytes:
    """The module that proxies run, of the filter `name`, such as `exam-integrity`.

    The same text and compiler (pinned in requirements-dev.txt) give the same bytes, which a stack names by their sum.

    Raises:
        FileNotFoundError: There is no such filter.
    """
    return bytes(wasmtime.wat2wasm((FOLDER / f"{name.replace('-', '_')}.wat").read_text(encoding="utf-8")))
