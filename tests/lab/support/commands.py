"""Running the tools a person runs, with the environment a person gets from ``. .lab/env``."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TAIL = 1500  # characters of a failed command's output shown in its error


class CommandFailed(Exception):
    """A command ended non-zero or ran into its time-out."""


@dataclass(frozen=True)
class Result:
    """How a command ended.

    :ivar code: its exit status.
    :ivar seconds: how long it ran.
    """

    code: int
    out: str
    err: str
    seconds: float

    @property
    def text(self) -> str:
        return f"{self.out}\n{self.err}".strip()


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    timeout: float,
    stdin: str | None = None,
    check: bool = True,
    cwd: Path | None = None,
) -> Result:
    """Runs ``command`` to its end.

    :param timeout: seconds after which it is killed.
    :param check: whether a non-zero end is an error.
    :raises CommandFailed: with the end of its output.
    """
    words = [str(word) for word in command]
    started = time.monotonic()
    try:
        done = subprocess.run(
            words, env=dict(env), timeout=timeout, input=stdin, capture_output=True, text=True, check=False, cwd=cwd
        )
    except subprocess.TimeoutExpired as problem:
        raise CommandFailed(f"{' '.join(words)}: still running after {timeout:.0f} s") from problem
    result = Result(done.returncode, done.stdout, done.stderr, time.monotonic() - started)
    if check and result.code != 0:
        raise CommandFailed(f"{' '.join(words)}: ended with {result.code}: {result.text[-TAIL:]}")
    return result


def sourced(env_file: Path) -> dict[str, str]:
    """The environment after ``. env_file`` in a shell."""
    shell = subprocess.run(
        ["bash", "-c", 'set -a; . "$0"; env -0', str(env_file)], capture_output=True, text=True, check=True, timeout=10
    )
    return {**os.environ, **dict(entry.split("=", 1) for entry in shell.stdout.split("\0") if "=" in entry)}
