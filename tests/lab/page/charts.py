"""Charts over time as SVG within the page: answers a second by region or version, failed requests, what happened when.

Text within is of the size that a phone shows it in: a chart is made for the width of a phone and may grow by half.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.lab.page.markup import Markup, element, joined

WIDTH, HEIGHT = 400, 190
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 34, 24  # around the plot
STYLES = 4  # kinds of lines that the style sheet has: colour and dashes differ

Rates = Mapping[str, Sequence[float | None]]
_ids = count(1)


@dataclass(frozen=True)
class _Scale:
    """From seconds and rates to the places of a drawing."""

    seconds: float
    highest: float

    def x(self, seconds: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * min(seconds / self.seconds, 1.0), 1)

    def y(self, rate: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * rate / self.highest, 1)


def figure(chart: Mapping[str, Any]) -> Markup:
    """A chart with its title, its drawings and its numbers as a table."""
    drawings = [_drawing(chart, "regions", "region")]
    if len(chart["versions"]) > 1:
        drawings.append(_drawing(chart, "versions", "version"))
    return element(
        "figure",
        element("figcaption", element("h3", chart["title"]), element("p", summary(chart))),
        *drawings,
        _table(chart),
    )


def summary(chart: Mapping[str, Any]) -> str:
    """What a chart shows, in words."""
    failed = sum(chart["failed"])
    length = len(chart["failed"]) * float(chart["step_s"])
    shares = [f"{name} {_share(chart['regions'], name)} %" for name in chart["regions"]]
    lost = "no request failed" if not failed else f"{failed} failed request{'s' if failed > 1 else ''}"
    return f"{length:.0f} s, {lost}; answers from {', '.join(shares) or 'nobody'}."


def _share(rates: Rates, name: str) -> str:
    sums = {key: sum(rate for rate in row if rate) for key, row in rates.items()}
    total = sum(sums.values())
    return f"{100 * sums[name] / total:.0f}" if total else "0"


def _drawing(chart: Mapping[str, Any], kind: str, by: str) -> Markup:
    rates: Rates = chart[kind]
    step = float(chart["step_s"])
    scale = _Scale(
        seconds=max(step * len(chart["failed"]), step),
        highest=_round_up(max((rate for row in rates.values() for rate in row if rate is not None), default=1.0)),
    )
    number = next(_ids)
    title, text = f"chart-{number}-title", f"chart-{number}-text"
    return joined(
        _legend(rates, by, any(chart["failed"])),
        element(
            "svg",
            element("title", f"{chart['title']}, by {by}", id=title),
            element("desc", f"{summary(chart)} {_told(chart, kind)}", id=text),
            _axes(scale),
            *(_line(row, step, scale, place) for place, row in enumerate(rates.values())),
            *_failures(chart["failed"], step, scale),
            *_marks(chart["marks"], scale),
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            role="img",
            aria_labelledby=f"{title} {text}",
        ),
    )


def _told(chart: Mapping[str, Any], kind: str) -> str:
    """The drawing for those who do not see it."""
    step = float(chart["step_s"])
    told: list[str] = []
    for name, row in chart[kind].items():
        answered = [i for i, rate in enumerate(row) if rate]
        if answered:
            highest = max(rate for rate in row if rate)
            told.append(
                f"{name} answers from second {answered[0] * step:g} to {(answered[-1] + 1) * step:g}, "
                f"at most {highest:g} requests a second."
            )
    told += [f"At second {mark['at_s']:g}: {mark['what']}." for mark in chart["marks"]]
    return " ".join(told)


def _legend(rates: Rates, by: str, failures: bool) -> Markup:
    entries = [
        element("li", _swatch(element("line", x1=0, y1=6, x2=22, y2=6, class_=_style(place))), f" {name}")
        for place, name in enumerate(rates)
    ]
    if failures:
        entries.append(element("li", _swatch(element("rect", x=8, y=1, width=5, height=11, class_="lost")), " failed"))
    return element("ul", element("li", f"requests a second by {by}:"), *entries, class_="legend")


def _swatch(drawn: Markup) -> Markup:
    return element("svg", drawn, viewBox="0 0 22 12", class_="swatch", aria_hidden="true")


def _style(place: int) -> str:
    return f"course course-{place % STYLES + 1}"


def _round_up(value: float) -> float:
    """A number that an axis may end with."""
    size = 10 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(nice * size for nice in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if nice * size >= value)


def _axes(scale: _Scale) -> Markup:
    drawn: list[Markup] = []
    for rate in (0.0, scale.highest / 2, scale.highest):
        y = scale.y(rate)
        drawn.append(element("line", x1=LEFT, y1=y, x2=WIDTH - RIGHT, y2=y, class_="grid"))
        drawn.append(element("text", f"{rate:g}", x=LEFT - 5, y=y + 4, text_anchor="end"))
    every = _round_up(scale.seconds / 6)
    for i in range(int(scale.seconds / every) + 1):
        x = scale.x(i * every)
        anchor = "end" if x > WIDTH - RIGHT - 14 else "middle"
        drawn.append(element("text", f"{i * every:g} s", x=x, y=HEIGHT - 7, text_anchor=anchor))
    return element("g", *drawn, aria_hidden="true")


def _line(row: Sequence[float | None], step: float, scale: _Scale, place: int) -> Markup:
    """A rate over time; where nothing was sent, there is no line."""
    words: list[str] = []
    broken = True
    for i, rate in enumerate(row):
        if rate is None:
            broken = True
            continue
        words.append(f"{'M' if broken else 'L'}{scale.x((i + 0.5) * step)} {scale.y(rate)}")
        broken = False
    return element("path", d=" ".join(words), class_=_style(place))


def _failures(failed: Sequence[int], step: float, scale: _Scale) -> list[Markup]:
    """A bar for each point with failed requests, at least so high that one is seen."""
    width = max(scale.x(step) - scale.x(0), 3.0)
    drawn: list[Markup] = []
    for i, lost in enumerate(failed):
        if lost:
            top = min(scale.y(min(lost / step, scale.highest)), scale.y(0) - 6)
            x = scale.x(i * step)
            drawn.append(
                element("rect", element("title", f"{lost} failed"), x=x, y=top, width=round(width, 1),
                        height=round(scale.y(0) - top, 1), class_="lost")
            )  # fmt: skip
    return drawn


def _marks(marks: Sequence[Mapping[str, Any]], scale: _Scale) -> list[Markup]:
    """A line where something happened, with its words above, in two rows by turns so that none covers the next."""
    drawn: list[Markup] = []
    for i, mark in enumerate(marks):
        x = scale.x(mark["at_s"])
        y = 12 if i % 2 == 0 else 26
        late = x > WIDTH * 0.6
        drawn.append(element("line", x1=x, y1=y - 8, x2=x, y2=scale.y(0), class_="mark"))
        drawn.append(
            element("text", mark["what"], x=x - 4 if late else x + 4, y=y, text_anchor="end" if late else "start",
                    class_="said", aria_hidden="true")
        )  # fmt: skip
    return drawn


def _table(chart: Mapping[str, Any]) -> Markup:
    """The same in numbers."""
    columns = [(name, row) for kind in ("regions", "versions") for name, row in chart[kind].items()]
    step = float(chart["step_s"])
    rows = [
        element(
            "tr",
            element("th", f"{i * step:g}", scope="row"),
            *(element("td", "-" if row[i] is None else f"{row[i]:g}") for _, row in columns),
            element("td", lost),
        )
        for i, lost in enumerate(chart["failed"])
    ]
    head = element("tr", *(element("th", name, scope="col") for name in ("s", *(n for n, _ in columns), "failed")))
    table = element("table", element("thead", head), element("tbody", *rows))
    return element(
        "details", element("summary", "in numbers"),
        element("div", table, class_="wide", tabindex="0", role="region", aria_label=f"{chart['title']}, in numbers"),
    )  # fmt: skip
