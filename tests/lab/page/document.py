"""The page: what failed first, then courses over time, then every row with its proofs and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.lab.claims import BREAKS
from tests.lab.page.charts import figure
from tests.lab.page.figures import figures
from tests.lab.page.markup import Markup, element, joined

STYLE = Path(__file__).with_name("style.css")
SIGNS = {"proven": "✓", "failed": "✗", "not run": "○"}  # beside the words: nothing is told by colour alone
# Nothing is fetched from anywhere: the browser is told so, too.
ALONE = "default-src 'none'; style-src 'unsafe-inline'"

Row = Mapping[str, Any]


def page(evidence: Mapping[str, Any], claims: Mapping[str, str]) -> str:
    """The whole page.

    :param evidence: the content of `.lab/evidence.json`.
    :param claims: row to claim.
    """
    rows: Sequence[Row] = sorted(evidence["rows"], key=lambda row: row["id"])
    body = joined(
        _head(evidence, rows),
        _faults(rows),
        _index(rows),
        _courses(rows),
        element("h2", "All rows"),
        *(_row(name, list(proofs), claims) for name, proofs in groupby(rows, key=lambda row: row["id"])),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=ALONE),
        element("title", "istio-mesh: what is proven"),
        element("style", Markup(STYLE.read_text(encoding="utf-8"))),
    )
    return f"<!doctype html>\n{element('html', head, element('body', element('main', body)), lang='en')}\n"


def _head(evidence: Mapping[str, Any], rows: Sequence[Row]) -> Markup:
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in SIGNS}
    versions = ", ".join(f"{name} {version}" for name, version in evidence["versions"].items())
    machine = evidence["machine"]
    size = f"{machine['cores']} cores, {machine['memory_gib']:g} GiB, {machine['architecture']}, {machine['kernel']}"
    return joined(
        element("h1", "istio-mesh: what is proven"),
        element("p", f"{evidence['date']}, {evidence['duration_s'] / 60:.1f} minutes. {versions}. {size}.",
                class_="soft"),
        element(
            "ul",
            *(
                element("li", element("b", count), _verdict(verdict))
                for verdict, count in counts.items() if count or verdict == "proven"
            ),
            class_="totals",
        ),
        element("p", "Only what ran to its end, its clean-up too, is proven. Envoy is the upstream build, without "
                "Istio's own extensions; a region has one node and no cloud.", class_="soft"),
    )  # fmt: skip


def _verdict(verdict: str) -> Markup:
    sign = element("span", SIGNS[verdict], aria_hidden="true")
    return element("span", sign, f" {verdict}", class_=f"verdict {verdict.replace(' ', '-')}")


def _faults(rows: Sequence[Row]) -> Markup:
    """Failed proofs, and what was not run, above all else."""
    failed = [row for row in rows if row["verdict"] == "failed"]
    reasons: dict[str, list[Row]] = {}
    for row in rows:
        if row["verdict"] == "not run":
            reasons.setdefault(row["reason"], []).append(row)
    if not failed and not reasons:
        return joined(element("h2", "What failed"), element("p", "Nothing: every proof of this run came to its end."))
    return joined(
        element("h2", "What failed, and what was not run"),
        *(
            element(
                "div",
                element("h3", _verdict("failed"), f" {row['id']}: {row['title']}"),
                element("p", row["reason"]),
                _command(row),
                class_="fault",
            )
            for row in failed
        ),
        *(_not_run(reason, left_out) for reason, left_out in reasons.items()),
    )


def _not_run(reason: str, rows: Sequence[Row]) -> Markup:
    """One box for all that have one reason: a session that was cut off leaves many."""
    head = element("h3", _verdict("not run"), f" {len(rows)} proof{'s' if len(rows) > 1 else ''}: {reason}")
    named = element("ul", *(element("li", f"{row['id']}: {row['title']}") for row in rows))
    return element("div", head, element("details", element("summary", "which"), named), class_="fault not-run")


def _command(row: Row) -> Markup | None:
    return element("p", element("code", row["command"]), class_="soft") if row["command"] else None


def _worst(proofs: Sequence[Row]) -> str:
    return max((row["verdict"] for row in proofs), key=["proven", "not run", "failed"].index)


def _index(rows: Sequence[Row]) -> Markup:
    links: list[Markup] = []
    for name, proofs in groupby(rows, key=lambda row: row["id"]):
        worst = _worst(list(proofs))
        sign = element("span", SIGNS[worst], aria_hidden="true")
        link = element(
            "a", name, " ", sign, href=f"#{name}", class_=worst.replace(" ", "-"), aria_label=f"{name}: {worst}"
        )
        links.append(element("li", link))
    return element("nav", element("h2", "Rows"), element("ul", *links), aria_label="Rows")


def _courses(rows: Sequence[Row]) -> Markup | None:
    drawn = [figure(chart) for row in rows for chart in row.get("charts", ())]
    if not drawn:
        return None
    words = (
        "Requests that were answered each second, and those that failed, while something was changed or broken. "
        "Where a line is interrupted, nothing was sent."
    )
    return joined(
        element("h2", "Over time"),
        element("p", words, class_="soft"),
        element("div", *drawn, class_="charts"),
    )


def _row(name: str, proofs: Sequence[Row], claims: Mapping[str, str]) -> Markup:
    breaks = BREAKS.get(name)
    return element(
        "section",
        element("h3", _verdict(_worst(proofs)), f"{name}: {claims.get(name, proofs[0]['title'])}", id=f"{name}-title"),
        element("p", element("b", "Broken on purpose, or would turn it red: "), breaks, ".") if breaks else None,
        element("ul", *map(_proof, proofs), class_="proofs"),
        id=name, class_="row", aria_labelledby=f"{name}-title",
    )  # fmt: skip


def _proof(row: Row) -> Markup:
    found = figures(row["figures"]) if row["figures"] else None
    return element(
        "li",
        _verdict(row["verdict"]),
        f" {row['title']} ",
        element("span", f"({row['duration_s']:.1f} s)", class_="soft"),
        element("p", row["reason"]) if row["reason"] else None,
        element("details", element("summary", "figures"), found, _command(row)) if found else _command(row),
    )
