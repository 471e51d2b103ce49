"""`.ci/run` and the Makefile where something ends early: a fault, a signal, an environment that was cut off."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CLONE = Path(__file__).resolve().parents[2]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of `.ci/run` alone, and a `make` that notes what it does; in `make up` it hangs until it is ended."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(CLONE / ".ci/run", tmp_path / ".ci/run")
    os.mkfifo(tmp_path / "hangs")
    write(
        tmp_path / "bin/make",
        f"""#!/bin/sh
echo "$1" >>{tmp_path}/log
[ "$1" != "$FAILS" ] || exit 3
[ "$1" = up ] || exit 0
trap 'echo up-ended >>{tmp_path}/log; exit 1' TERM
echo up >{tmp_path}/hangs
while :; do sleep 0.05; done
""",
    )
    for name in ("ip", "nsenter", "git", "curl"):
        write(tmp_path / "bin" / name, "#!/bin/sh\n")
    return tmp_path


def start(clone: Path, fails: str = "") -> subprocess.Popen[str]:
    variables = {"PATH": f"{clone}/bin:/usr/bin:/bin", "PYTHON": sys.executable, "FAILS": fails}
    # A check in the background of a shell, or under nohup, ignores some signals, and what it starts does too.
    command = ["env", "--default-signal=TERM,INT,HUP", str(clone / ".ci/run")]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_check_that_is_told_to_end_ends_its_step_then_takes_the_lab_down(clone: Path, number: signal.Signals) -> None:
    check = start(clone)
    assert (clone / "hangs").read_text() == "up\n"
    check.send_signal(number)
    output, _ = check.communicate(timeout=60)
    assert check.returncode == 128 + number
    assert f"FAILED ({128 + number})" in output
    assert (clone / "log").read_text().split()[-3:] == ["up", "up-ended", "down"]


def test_a_check_whose_step_fails_takes_the_lab_down(clone: Path) -> None:
    check = start(clone, fails="lint")
    output, _ = check.communicate(timeout=60)
    assert check.returncode == 3
    assert "FAILED (3)" in output
    assert (clone / "log").read_text().split() == ["venv", "lint", "down"]


def test_an_environment_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    shutil.copy(CLONE / "Makefile", tmp_path)
    for folder in ("contract", "policies"):
        (tmp_path / folder).mkdir()
    for name in ("requirements.txt", "requirements-dev.txt", "policies/requirements.txt", "contract/pyproject.toml"):
        (tmp_path / name).touch()
    # Python is there, pip is not: `python -m venv` makes them in this order.
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(write(tmp_path / "half", "#!/bin/sh\nexit 1\n"))
    whole = write(tmp_path / "whole", f'#!/bin/sh\necho "$@" >>{tmp_path}/log\n')
    python = write(
        tmp_path / "python",
        f"""#!/bin/sh
[ "$1" = -m ] || exit 0
echo "$@" >>{tmp_path}/log
ln -sf {whole} .venv/bin/python
""",
    )
    subprocess.run(["make", "-C", str(tmp_path), "venv", f"PYTHON={python}"], check=True, capture_output=True)
    assert (tmp_path / "log").read_text().splitlines() == [
        "-m venv --clear .venv",
        "-m pip install --quiet --disable-pip-version-check -r requirements-dev.txt",
    ]
