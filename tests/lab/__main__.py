"""Runs the proofs against the running lab: `python -m tests.lab [options of pytest]`.

All of them, with the promised rows and the evidence file, unless the options name some: then only the table is printed.
"""

import sys
from collections.abc import Sequence

import pytest

from lab.paths import Paths
from tests.lab.promises import PROMISED


def command(arguments: Sequence[str]) -> list[str]:
    """The arguments for pytest."""
    plugins = ["-p", "tests.lab.evidence", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest"]
    always = [*plugins, "-o", "addopts=", "--strict-markers", "-ra", "--tb=short"]
    if arguments:
        return [*always, *arguments]
    return [*always, "-v", "--evidence", str(Paths().evidence), "--promised", ",".join(PROMISED), "tests/lab"]


if __name__ == "__main__":
    sys.exit(pytest.main(command(sys.argv[1:])))
