"""The engine's event log, line by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from previews.errors import PreviewError
from previews.events import Event, parse, read
from tests.previews.recordings import NAMES, log


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_a_real_log_is_read(name: str) -> None:
    assert len(list(read(log(name)))) == len(log(name).read_text().splitlines())


def test_kinds_of_events_that_are_not_known_are_passed_over() -> None:
    lines = ['{"sequence": 1, "progressEvent": {"type": "plugin-download"}}\n', "\n", '{"ofALaterEngine": {}}\n']
    assert list(parse(lines, "log")) == [Event(), Event()]


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    whole = log("first").read_text()
    (tmp_path / "events.jsonl").write_text(whole[:-40])
    assert len(list(read(tmp_path / "events.jsonl"))) == len(whole.splitlines()) - 1


def test_a_line_that_is_no_event_is_named_without_what_it_holds() -> None:
    wrong = json.dumps({"policyEvent": {"message": "the password is swordfish", "policyName": 3}}) + "\n"
    with pytest.raises(PreviewError) as fault:
        list(parse(["{}\n", wrong], "events.jsonl"))
    assert str(fault.value) == (
        "line 2 of the engine's events (events.jsonl) is not an event as this program knows them: "
        "policyEvent.policyName: Input should be a valid string. Nothing is shown of a preview that was read in part. "
        "Run the engine version of lab/tools/catalogue.py, or teach previews/events.py the new form."
    )
