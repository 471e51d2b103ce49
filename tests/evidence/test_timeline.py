"""The course of loads: rates where something was sent, every failure, a bounded number of points."""

from __future__ import annotations

import datetime
import subprocess
from typing import Any, cast

import pytest

from tests.lab.support.timeline import MOST, timeline
from tests.lab.support.traffic import Load

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def _load(after: float, seconds: float, *, region: str = "us-east-1", version: str = "v1", failed: float = -1) -> Load:
    """Ten answers a second from one region; ``failed``: the second of one failed request."""
    series: list[dict[str, Any]] = []
    for i in range(round(seconds * 10)):
        bucket = {"t_ms": i * 100, "ok": 1, "failed": 0, "regions": {region: 1}, "versions": {version: 1}}
        if i == round(failed * 10):
            bucket = {"t_ms": i * 100, "ok": 0, "failed": 1}
        series.append(bucket)
    started = (BEGIN + datetime.timedelta(seconds=after)).isoformat()
    return Load(cast("subprocess.Popen[str]", None), {"started": started, "series": series})


def test_rates_of_loads_side_by_side_add_up_and_failures_are_counted() -> None:
    chart = timeline("t", [_load(0, 10), _load(0, 10, region="us-west-2", version="v2", failed=7.3)])
    assert chart["step_s"] == 0.5
    assert chart["regions"]["us-east-1"] == [10.0] * 20
    assert chart["versions"]["v2"][:14] == [10.0] * 14
    assert chart["versions"]["v2"][14] == 8.0, "one of five answers within half a second is missing"
    assert chart["failed"] == [0] * 14 + [1] + [0] * 5


def test_where_nothing_was_sent_there_is_no_rate() -> None:
    chart = timeline("t", [_load(0, 5), _load(8, 5)], [(BEGIN + datetime.timedelta(seconds=8.04), "again")])
    assert chart["regions"]["us-east-1"] == [10.0] * 10 + [None] * 6 + [10.0] * 10
    assert chart["marks"] == [{"at_s": 8.0, "what": "again"}]


def test_a_region_that_answers_nothing_has_the_rate_zero() -> None:
    chart = timeline("t", [_load(0, 2), _load(2, 2, region="us-west-2")])
    assert chart["regions"] == {"us-east-1": [10.0] * 4 + [0.0] * 4, "us-west-2": [0.0] * 4 + [10.0] * 4}


def test_a_failure_at_the_edge_of_a_load_is_counted_too() -> None:
    chart = timeline("t", [_load(0, 2.2, failed=2.1)])
    assert sum(chart["failed"]) == 1
    assert chart["regions"]["us-east-1"][-1] is None, "two tenths of a second are no rate"


def test_the_number_of_points_is_bounded_however_long_the_loads_are() -> None:
    for seconds in (30, 61, 299, 1500):
        chart = timeline("t", [_load(0, seconds, failed=seconds - 0.1)])
        assert len(chart["failed"]) <= MOST
        assert chart["failed"][-1] == 1
        assert {len(row) for row in chart["regions"].values()} == {len(chart["failed"])}


def test_a_load_without_its_series_is_refused() -> None:
    load = _load(0, 1)
    del load.summary["series"]
    with pytest.raises(ValueError, match="--series"):
        timeline("t", [load])
