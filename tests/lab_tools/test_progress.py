from __future__ import annotations

import io
import threading

from lab.tools.progress import Estimate, PlainProgress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_rest_shrinks_as_time_passes_and_is_set_right_by_what_finishes() -> None:
    clock = Clock()
    estimate = Estimate({"a": 300, "b": 100}, clock)
    estimate.start("a")
    assert estimate.remaining() == 400
    clock.now = 60
    assert estimate.remaining() == 340
    clock.now = 200
    assert estimate.finish("a") == 200
    assert estimate.remaining() == 100, "it finished earlier than expected: what is left is b"


def test_the_rest_is_never_nothing_while_something_is_not_finished() -> None:
    clock = Clock()
    estimate = Estimate({"a": 100}, clock)
    clock.now = 500
    assert estimate.remaining() == 10


def test_on_a_slower_machine_the_rest_grows_with_what_has_been_seen() -> None:
    clock = Clock()
    estimate = Estimate({"a": 300, "b": 100}, clock)
    estimate.start("a")
    clock.now = 600
    assert estimate.remaining() == 200, "a takes twice as long as expected, so b will"
    estimate.finish("a")
    estimate.start("b")
    clock.now = 900
    assert estimate.remaining() == 10 * 900 / 400


def test_the_rest_is_said_in_minutes() -> None:
    assert Estimate({"a": 290}, Clock()).to_go() == "about 5 min to go"
    assert Estimate({"a": 40}, Clock()).to_go() == "less than a minute to go"


def test_plain_lines_say_which_tool_how_many_and_how_long() -> None:
    stream = io.StringIO()
    with PlainProgress(stream) as progress:
        progress.plan({"pulumi": 187.0, "runc": 2.0})
        progress.start("pulumi", "building pulumi 3.259.0")
        progress.finish("pulumi")
        progress.start("runc", "fetching runc 1")
        progress.finish("runc")
    lines = [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()]
    assert lines == [
        "2 tools to make, about 3 min to go: pulumi, runc",
        "building pulumi 3.259.0",
        "building pulumi 3.259.0: done in 0 s (1 of 2, less than a minute to go)",
        "fetching runc 1",
        "fetching runc 1: done in 0 s (2 of 2, all there)",
    ]


def test_a_long_build_gives_a_sign_of_life() -> None:
    alive = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            if "still building pulumi (0 of 1 done, about 3 min to go)" in text:
                alive.set()
            return super().write(text)

    with PlainProgress(Stream(), interval=0.01) as progress:
        progress.plan({"pulumi": 187.0})
        progress.start("pulumi", "building pulumi")
        assert alive.wait(5)
