"""The recorded events of real previews (`record.py` made them), and what they are turned into."""

from __future__ import annotations

from pathlib import Path

from previews.events import read
from previews.report import Reader, Report
from tests.previews.record import OTHER, PASSWORD, RECORDED, RECORDINGS

SECRETS = (PASSWORD, OTHER)
NAMES = tuple(RECORDINGS)


def log(name: str) -> Path:
    return RECORDED / f"{name}.jsonl"


def report(name: str, *, exit_code: int = 0, said: str = "", stack: str = "local") -> Report:
    """The report of a recording, made with its secrets known as a run knows them."""
    judged = RECORDINGS[name].pack is not None
    reader = Reader(stack, pack=judged, secrets=set(SECRETS)).add_all(read(log(name)))
    return reader.report(exit_code, said)
