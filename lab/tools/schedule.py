"""Running the jobs of a first start side by side, as far as cores and memory allow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# A build keeps all cores busy while it compiles and one while it links: a few side by side fill the gaps, more only
# compile twice what they share.
MOST_AT_ONCE = 4


@dataclass(frozen=True)
class Job:
    """One thing to make. seconds: what it is expected to take. memory: its peak, in GiB. heavy: it fills the cores."""

    name: str
    seconds: float
    memory: float
    heavy: bool
    work: Callable[[], None]


def order(jobs: Iterable[Job]) -> list[Job]:
    """The longest first: the whole is then shortest, as the short ones fill what the long ones leave at the end."""
    return sorted(jobs, key=lambda job: (-job.seconds, job.name))


def startable(waiting: Iterable[Job], running: Iterable[Job], slots: int, memory: float) -> Job | None:
    """The next job that may start beside those running, or None.

    Args:
        slots: Heavy jobs that may run at once. Of the others, which wait for a network, one runs beside them.
        memory: GiB for all that run. A job that alone needs more is started when nothing else heavy runs.
    """
    heavy = [job for job in running if job.heavy]
    light = [job for job in running if not job.heavy]
    for job in waiting:
        if not job.heavy:
            if not light:
                return job
        elif not heavy or (len(heavy) < slots and sum(other.memory for other in heavy) + job.memory <= memory):
            return job
    return None


def run(jobs: Iterable[Job], *, slots: int, memory: float, stop: Callable[[], None]) -> None:
    """Run all jobs; `stop` is to end those under way when one fails or the person interrupts.

    Raises:
        BaseException: What the first job that failed raised, after all others have ended.
    """
    waiting, running = order(jobs), set[Job]()
    failed: list[BaseException] = []
    changed = threading.Condition()

    def perform(job: Job) -> None:
        try:
            job.work()
        except BaseException as error:
            failed.append(error)
        with changed:
            running.discard(job)
            changed.notify_all()

    with changed:
        try:
            while (waiting and not failed) or running:
                if failed:
                    stop()
                elif job := startable(waiting, running, slots, memory):
                    waiting.remove(job)
                    running.add(job)
                    threading.Thread(target=perform, args=(job,), name=job.name, daemon=True).start()
                    continue
                changed.wait()
        except BaseException:
            stop()
            while running:
                changed.wait()
            raise
    if failed:
        raise failed[0]
