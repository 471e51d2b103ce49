"""Shares of requests: how far off a sample may be, and when a second one is taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import pytest

from tests.lab.support.shares import SAMPLE, Share, Shares, tolerance, within

T = TypeVar("T")


def one_by_one(*samples: T) -> Callable[[], T]:
    """A draw that gives these samples, and fails when it is asked for more."""
    left = iter(samples)
    return lambda: next(left)


def split(first: int) -> dict[str, int]:
    return {"v1": first, "v2": SAMPLE - first}


# By hand: three times the root of 1,000 p (1 - p).
@pytest.mark.parametrize(("percent", "requests"), [(0, 0.0), (10, 28.46), (20, 37.95), (50, 47.43), (100, 0.0)])
def test_three_sigmas_of_a_thousand_are_allowed(percent: float, requests: float) -> None:
    assert tolerance(percent) == pytest.approx(requests, abs=0.005)


def test_a_larger_sample_and_more_sigmas_allow_more_requests() -> None:
    assert tolerance(25, sample=400, sigmas=5) == pytest.approx(5 * math.sqrt(75))
    assert within(100 + 43, 25, sample=400, sigmas=5)
    assert not within(100 + 44, 25, sample=400, sigmas=5)


@pytest.mark.parametrize(("count", "fair"), [(71, False), (72, True), (100, True), (128, True), (129, False)])
def test_a_count_may_be_off_to_either_side(count: int, fair: bool) -> None:
    assert within(count, 10) is fair
    assert Share(10, [count]).fair is fair


@pytest.mark.parametrize(("percent", "only"), [(0, 0), (100, SAMPLE)])
def test_none_and_all_allow_nothing_else(percent: float, only: int) -> None:
    assert within(only, percent)
    assert not within(abs(only - 1), percent)


@pytest.mark.parametrize(
    ("draws", "taken", "fair"),
    [
        ((100,), [100], True),
        ((150, 100), [150, 100], True),
        ((150, 150), [150, 150], False),
        ((150, 50), [150, 50], False),
    ],
    ids=["good at once", "good the second time", "off twice", "off to both sides"],
)
def test_a_second_sample_is_taken_where_the_first_is_off_and_no_third(
    draws: tuple[int, ...], taken: list[int], fair: bool
) -> None:
    share = Share.drawn(one_by_one(*draws), 10)
    assert (share.samples, share.fair) == (taken, fair)
    shares = Shares.drawn(one_by_one(*map(split, draws)), {"v1": 10, "v2": 90})
    assert (shares.samples, shares.fair) == ([split(count) for count in taken], fair)


@pytest.mark.parametrize(
    ("sample", "percent"),
    [
        ({"v1": SAMPLE}, {"v1": 90, "v2": 10}),
        ({"v1": 900, "v2": 100}, {"v1": 100, "v2": 0}),
        ({"v1": 899, "v2": 100, "v3": 1}, {"v1": 90, "v2": 10}),
        ({}, {"v1": 100}),
    ],
    ids=["one is missing", "one was to have none", "one that nobody named", "nobody answered"],
)
def test_versions_are_those_that_are_to_have_a_share(sample: Mapping[str, int], percent: Mapping[str, float]) -> None:
    assert not Shares.drawn(one_by_one(sample, sample), percent).fair


def test_a_version_of_no_share_is_to_have_none() -> None:
    shares = Shares.drawn(one_by_one({"v1": SAMPLE}), {"v1": 100, "v2": 0})
    assert shares.fair
    assert len(shares.samples) == 1


def test_what_is_said_of_them_has_what_was_wanted_and_every_sample() -> None:
    assert str(Share(30, [350, 360])) == "30 % within 3 sigmas of 1000: [350, 360]"
    assert str(Shares({"v1": 90, "v2": 10}, [split(1)])) == (
        "v1 90 %, v2 10 % within 3 sigmas of 1000: [{'v1': 1, 'v2': 999}]"
    )
