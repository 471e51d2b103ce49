"""Processes that the host starts for the engine, and their end."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

GRACE = 5.0
"""Seconds from the request to end until a process is killed: what the engine grants its plugins."""

_CHUNK = 1 << 16


class Children:
    """The running processes. They stay in the host's process group: the engine interrupts and kills it as a whole."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._ended = False

    def run(self, arguments: Sequence[str], folder: str | Path, environment: Mapping[str, str]) -> Child:
        """Start a process whose output goes where the host's goes: the engine shows it."""
        return self._start(subprocess.Popen(arguments, cwd=folder, env=environment, stdin=subprocess.DEVNULL))

    def stream(self, arguments: Sequence[str], folder: str | Path, environment: Mapping[str, str]) -> Child:
        """Start a process whose output is read by `Child.output`."""
        return self._start(
            subprocess.Popen(
                arguments,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )

    def _start(self, process: subprocess.Popen[bytes]) -> Child:
        child = Child(process, self._running.discard)
        with self._lock:
            self._running.add(process)
            ended = self._ended
        if ended:
            child.end()
        return child

    def end(self) -> None:
        """End all of them, and any that would still be started."""
        with self._lock:
            self._ended = True
            running = list(self._running)
        for process in running:
            _terminate(process)
        for process in running:
            _await(process)


class Child:
    """One process."""

    def __init__(self, process: subprocess.Popen[bytes], done: Callable[[subprocess.Popen[bytes]], None]) -> None:
        self._process = process
        self._done = done

    def wait(self) -> int:
        """Wait for its end; its exit status, or the negative number of the signal that ended it."""
        status = self._process.wait()
        self._done(self._process)
        return status

    def end(self) -> None:
        """Ask it to end, and kill it if it has not after the grace period. Returns at once; may be called again."""
        if self._process.poll() is None:
            _terminate(self._process)
            threading.Thread(target=_await, args=(self._process,), daemon=True).start()

    def output(self) -> Iterator[tuple[str, bytes]]:
        """What it writes, as it comes: `stdout` or `stderr`, and the bytes. Ends when both streams have ended."""
        pieces: queue.Queue[tuple[str, bytes]] = queue.Queue()

        def read(name: str, stream: IO[bytes]) -> None:
            while piece := os.read(stream.fileno(), _CHUNK):
                pieces.put((name, piece))
            pieces.put((name, b""))

        reading = 0
        for name, stream in (("stdout", self._process.stdout), ("stderr", self._process.stderr)):
            if stream:
                threading.Thread(target=read, args=(name, stream), daemon=True).start()
                reading += 1
        while reading:
            name, piece = pieces.get()
            if piece:
                yield name, piece
            else:
                reading -= 1


def _terminate(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)


def _await(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
