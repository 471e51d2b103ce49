from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from lab.tools import schedule
from lab.tools.schedule import Job


def job(
    name: str, seconds: float = 1, memory: float = 1, heavy: bool = True, work: Callable[[], None] | None = None
) -> Job:
    return Job(name, seconds, memory, heavy, work or (lambda: None))


def test_the_longest_start_first() -> None:
    jobs = [job("short", 2), job("long", 300), job("b", 20), job("a", 20)]
    assert [each.name for each in schedule.order(jobs)] == ["long", "a", "b", "short"]


def test_as_many_builds_run_as_there_are_slots() -> None:
    first, second, third = job("1"), job("2"), job("3")
    assert schedule.startable([second, third], [first], slots=2, memory=9) == second
    assert schedule.startable([third], [first, second], slots=2, memory=9) is None


def test_a_build_waits_for_memory_and_a_smaller_one_goes_before_it() -> None:
    running, big, small = job("running", memory=3), job("big", memory=3), job("small", memory=1)
    assert schedule.startable([big, small], [running], slots=2, memory=4) == small
    assert schedule.startable([big], [running], slots=2, memory=4) is None


def test_a_build_that_needs_more_than_there_is_runs_alone() -> None:
    big = job("big", memory=64)
    assert schedule.startable([big], [], slots=2, memory=2) == big


def test_one_download_at_a_time_runs_beside_the_builds() -> None:
    build, fetch, other = job("build"), job("fetch", heavy=False), job("other", heavy=False)
    assert schedule.startable([fetch], [build], slots=1, memory=1) == fetch
    assert schedule.startable([other], [build, fetch], slots=1, memory=1) is None


def test_all_jobs_are_done_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=5)
    done: list[str] = []

    def work(name: str) -> Callable[[], None]:
        def perform() -> None:
            meeting.wait()
            done.append(name)

        return perform

    schedule.run([job("a", work=work("a")), job("b", work=work("b"))], slots=2, memory=9, stop=lambda: None)
    assert sorted(done) == ["a", "b"]


def test_when_one_fails_the_others_are_stopped_and_nothing_more_is_started() -> None:
    stopped = threading.Event()
    started: list[str] = []

    def fail() -> None:
        raise RuntimeError("first failure")

    def long() -> None:
        started.append("long")
        assert stopped.wait(5), "it is told to stop"
        raise RuntimeError("ended by the stop")

    jobs = [
        job("long", 9, work=long),
        job("fails", 5, work=fail),
        job("never", 1, work=lambda: started.append("never")),
    ]
    with pytest.raises(RuntimeError, match="first failure"):
        schedule.run(jobs, slots=2, memory=9, stop=stopped.set)
    assert started == ["long"]
