"""Runs the proofs against the running lab: `python -m tests.lab [options of pytest]`.

All of them, with the promised rows and the evidence file. Where the options choose some (a path below tests/lab, -k,
-m), only the table is printed: a part is no evidence of the whole. With FULL=1 in the environment the long ones run too
and are promised.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.paths import Paths
from tests.lab.promises import in_full, promised

FOLDER = "tests/lab"
SCRATCH = Paths().root / ".lab" / "proofs"


def command(arguments: Sequence[str]) -> list[str]:
    """The arguments for pytest."""
    plugins = ["-p", "tests.lab.evidence", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest"]
    # A folder of its own, by the process: of those that sessions share pytest keeps three, and removes others that are
    # still in use.
    scratch = ["--basetemp", str(SCRATCH / str(os.getpid()))]
    always = [*plugins, *scratch, "-o", "addopts=", "--strict-markers", "-ra", "--tb=short"]
    paths = [word for word in arguments if word.startswith(FOLDER)]
    if paths or {"-k", "-m"}.intersection(arguments):
        return [*always, *arguments, *([] if paths else [FOLDER])]
    whole = ["-v", "--evidence", str(Paths().evidence), "--promised", ",".join(promised(full=in_full())), FOLDER]
    return [*always, *whole, *arguments]


def _clear(folder: Path) -> None:
    """Take away what sessions that have ended left, and be ready for this one."""
    for left in folder.glob("*"):
        if left.is_symlink():
            left.unlink()
        elif not Path("/proc", left.name).exists():
            shutil.rmtree(left, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    _clear(SCRATCH)
    sys.exit(pytest.main(command(sys.argv[1:])))
