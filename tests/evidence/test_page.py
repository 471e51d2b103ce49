"""The page of evidence: all of it is there, failures first, nothing is fetched, everybody can read it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lab.paths import Paths
from tests.lab.claims import BREAKS, claims
from tests.lab.page.__main__ import write
from tests.lab.page.document import STYLE, page
from tests.lab.promises import promised

# Rows as proofs leave them, with charts; one failed, some were not run.
RECORDED = Path(__file__).with_name("recorded.json")
Evidence = dict[str, Any]


@pytest.fixture
def evidence() -> Evidence:
    return json.loads(RECORDED.read_text(encoding="utf-8"))


class _Read(HTMLParser):
    """What a browser makes of a page: every element with its attributes, and the text as it is read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, Mapping[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[Mapping[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def _read(evidence: Evidence) -> _Read:
    read = _Read(page(evidence, claims()))
    assert read.open == []
    return read


def test_every_row_is_on_the_page_with_its_verdict_and_figures(evidence: Evidence) -> None:
    text = _read(evidence).text
    for row in evidence["rows"]:
        assert row["title"] in text
        assert row["reason"] in text
        assert row["command"] in text
        for name, value in row["figures"].items():
            assert name.replace("_", " ") in text
            assert not isinstance(value, str) or value in text
    assert {row["verdict"] for row in evidence["rows"]} == {"proven", "failed", "not run"}, "one of each is recorded"


def test_what_failed_comes_first_and_what_was_not_run_next(evidence: Evidence) -> None:
    text = _read(evidence).text
    at = {row["verdict"]: text.index(row["title"]) for row in reversed(evidence["rows"])}
    failed = next(row for row in evidence["rows"] if row["verdict"] == "failed")
    not_run = next(row for row in evidence["rows"] if row["verdict"] == "not run")
    proven = [row["title"] for row in evidence["rows"] if row["verdict"] == "proven"]
    assert text.index(failed["title"]) < text.index(not_run["title"]) < min(map(text.index, proven)), at


def test_a_run_without_a_fault_says_so(evidence: Evidence) -> None:
    evidence["rows"] = [row for row in evidence["rows"] if row["verdict"] == "proven"]
    text = _read(evidence).text
    assert "every proof of this run came to its end" in text
    assert "✗" not in text


def test_nothing_leads_out_of_the_page_and_nothing_runs_in_it(evidence: Evidence) -> None:
    read = _read(evidence)
    names = {attributes["id"] for _, attributes in read.elements if "id" in attributes}
    assert len(names) == sum("id" in attributes for _, attributes in read.elements), "an id is given twice"
    for tag, attributes in read.elements:
        assert tag not in {"script", "link", "img", "iframe", "object", "image", "use"}
        assert not {"src", "srcset", "xlink:href", "style"} & set(attributes)
        if (target := attributes.get("href")) is not None:
            assert target.removeprefix("#") in names, f"{target} leads nowhere on the page"
    assert not re.search(r"url\(|@import|//", STYLE.read_text(encoding="utf-8"))


def test_what_a_proof_says_is_shown_and_not_obeyed(evidence: Evidence) -> None:
    evil = '<script>alert("1")</script>'
    evidence["rows"][0] |= {"title": evil, "figures": {evil: [evil, {evil: evil}]}, "reason": evil}
    read = _read(evidence)
    assert read.of("script") == []
    assert read.text.count(evil) >= 6


def test_every_chart_is_told_in_words_and_in_numbers(evidence: Evidence) -> None:
    charts = [chart for row in evidence["rows"] for chart in row.get("charts", ())]
    assert len(charts) >= 3
    read = _read(evidence)
    drawn = [attributes for attributes in read.of("svg") if attributes.get("role") == "img"]
    assert len(drawn) == sum(1 + (len(chart["versions"]) > 1) for chart in charts)
    titles = {attributes.get("id") for tag, attributes in read.elements if tag in {"title", "desc"}}
    for attributes in drawn:
        assert set(str(attributes["aria-labelledby"]).split()) <= titles
    for chart in charts:
        for mark in chart["marks"]:
            assert f"At second {mark['at_s']:g}: {mark['what']}." in read.text
    cells = sum(len(chart["failed"]) for chart in charts)
    assert len([1 for attributes in read.of("th") if attributes.get("scope") == "row"]) == cells
    bars = [
        attributes for attributes in read.of("rect") if attributes.get("class") == "lost" and "height" in attributes
    ]
    lost = sum(1 for chart in charts for failed in chart["failed"] if failed)
    assert len(bars) >= lost > 0, "a failed request is not drawn, or none is recorded"


def test_a_person_is_told_where_the_page_is_and_what_to_run_first(evidence: Evidence, tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    with pytest.raises(SystemExit, match="make prove"):
        write(paths)
    paths.lab.mkdir()
    paths.evidence.write_text(json.dumps(evidence), encoding="utf-8")
    assert str(paths.evidence_page) in write(paths)
    assert paths.evidence_page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [file.name for file in paths.evidence_page.parent.iterdir()] == ["index.html"]


def test_every_promised_row_has_a_claim_and_says_what_would_break_it() -> None:
    rows = {row.partition(":")[0] for row in promised(full=True)}
    assert rows <= set(claims()), f"README.md has no line of {rows - set(claims())}"
    assert rows <= set(BREAKS)


def _schemes() -> dict[str, dict[str, str]]:
    """The colours of the style sheet, light and dark."""
    found = re.findall(r":root \{(.*?)\}", STYLE.read_text(encoding="utf-8"), re.DOTALL)
    return {
        scheme: dict(re.findall(r"--([\w-]+): (#\w{6})", block))
        for scheme, block in zip(("light", "dark"), found, strict=True)
    }


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    lower, higher = sorted(map(_luminance, (one, other)))
    return (higher + 0.05) / (lower + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_stand_out_from_what_is_behind_them(scheme: str) -> None:
    colours = _schemes()[scheme]
    for name in ("text", "soft", "good", "bad", "none", "course-1", "course-2", "course-3", "course-4"):
        for behind in ("page", "card"):
            contrast = _contrast(colours[name], colours[behind])
            assert contrast >= 4.5, f"{name} on {behind}: {contrast:.1f}"
