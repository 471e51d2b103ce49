"""Showing long work: which tool, how far, and how long is still to go."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

HEARTBEAT = 30.0
"""Seconds between two lines of plain output while something is being made: less than any CI takes for a hang."""


class Estimate:
    """How far a set of works is, from what each is expected to take alone on two cores.

    Works done side by side share the cores, so what counts is their sum: while nothing has finished, time passed counts
    as work done; once works have finished, what they were expected to take does, with the time since then.
    """

    def __init__(self, expected: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._expected = dict(expected)
        self._clock = clock
        self._began = clock()
        self._finished: set[str] = set()
        self.started: dict[str, float] = {}

    def start(self, name: str) -> None:
        self.started[name] = self._clock()

    def finish(self, name: str) -> float:
        """Seconds that the work took."""
        self._finished.add(name)
        return self._clock() - self.started.pop(name)

    @property
    def count(self) -> int:
        return len(self._expected)

    @property
    def finished(self) -> int:
        return len(self._finished)

    @property
    def total(self) -> float:
        return sum(self._expected.values())

    def remaining(self) -> float:
        """Seconds still to go; never nothing while a work is not finished."""
        left = sum(seconds for name, seconds in self._expected.items() if name not in self._finished)
        done = self.total - left
        begun = done + sum(self._expected[name] for name in self.started)
        passed = self._clock() - self._began
        # More time has passed than all that was begun should take: this machine is slower, and will stay so.
        pace = max(1.0, passed / begun) if begun else 1.0
        ahead = passed / pace - done
        return max(left - max(ahead, 0.0), 0.1 * left) * pace

    def to_go(self) -> str:
        """As a person says it: `about 4 min to go`."""
        seconds = self.remaining()
        if seconds < 50:
            return "less than a minute to go"
        return f"about {max(round(seconds / 60), 1)} min to go"


class Progress(Protocol):
    """What `ensure` tells of its work. A context manager; its methods are called from several threads."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def plan(self, expected: Mapping[str, float]) -> None:
        """The works that are to come, with the seconds each is expected to take."""
        ...

    def start(self, name: str, what: str) -> None:
        """`what` is done now: `building pulumi 3.259.0`."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line."""
        ...

    def finish(self, name: str) -> None: ...


class _Ticking:
    """Calls `tick` from a thread every `interval` seconds between enter and exit."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._estimate = Estimate({})
        self._doing: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._ended.wait(self._interval):
            with self._lock:
                self.tick()

    def tick(self) -> None:
        raise NotImplementedError

    def plan(self, expected: Mapping[str, float]) -> None:
        with self._lock:
            self._estimate = Estimate(expected)


class PlainProgress(_Ticking):
    """Lines with the time of day, for CI logs and pipes."""

    def __init__(self, stream: TextIO | None = None, interval: float = HEARTBEAT) -> None:
        super().__init__(interval)
        self._stream = stream or sys.stderr

    def plan(self, expected: Mapping[str, float]) -> None:
        super().plan(expected)
        if expected:
            self.note(f"{len(expected)} tools to make, {self._estimate.to_go()}: {', '.join(expected)}")

    def start(self, name: str, what: str) -> None:
        with self._lock:
            self._doing[name] = what
            self._estimate.start(name)
            self.note(what)

    def finish(self, name: str) -> None:
        with self._lock:
            what = self._doing.pop(name)
            seconds = self._estimate.finish(name)
            done, of = self._estimate.finished, self._estimate.count
            rest = self._estimate.to_go() if done < of else "all there"
            self.note(f"{what}: done in {seconds:.0f} s ({done} of {of}, {rest})")

    def note(self, text: str) -> None:
        with self._lock:
            print(f"{time.strftime('%H:%M:%S')} {text}", file=self._stream, flush=True)

    def tick(self) -> None:
        if self._doing:
            done, of = self._estimate.finished, self._estimate.count
            self.note(f"still {', '.join(self._doing.values())} ({done} of {of} done, {self._estimate.to_go()})")


class RichProgress(_Ticking):
    """One bar on a terminal, with the works under way beside it."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(interval=1.0)
        self._bars = Bars(
            BarColumn(bar_width=24),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console or Console(stderr=True),
            transient=True,
        )
        self._task = self._bars.add_task("", total=None, counts="", visible=False)

    def __enter__(self) -> Self:
        self._bars.start()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._bars.stop()

    def plan(self, expected: Mapping[str, float]) -> None:
        super().plan(expected)
        self._bars.update(self._task, total=self._estimate.total, visible=bool(expected))

    def start(self, name: str, what: str) -> None:
        with self._lock:
            self._doing[name] = what
            self._estimate.start(name)
            self.tick()

    def finish(self, name: str) -> None:
        with self._lock:
            what = self._doing.pop(name)
            self.note(f"{what}: {self._estimate.finish(name):.0f} s")
            self.tick()

    def note(self, text: str) -> None:
        self._bars.console.print(text, highlight=False)

    def tick(self) -> None:
        estimate = self._estimate
        self._bars.update(
            self._task,
            completed=estimate.total - estimate.remaining(),
            counts=f"{estimate.finished} of {estimate.count}, {estimate.to_go()}",
            description=", ".join(self._doing.values()),
        )


def progress_for(stream: TextIO | None = None) -> Progress:
    """Bars where a person watches, lines elsewhere."""
    target = sys.stderr if stream is None else stream
    return RichProgress(Console(file=target)) if target.isatty() else PlainProgress(target)
