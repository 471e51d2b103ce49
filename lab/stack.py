"""The local stack, by the real engine: deployed as a person would after `. .lab/env`, forgotten with its clusters."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab import cgroups, environment
from lab.errors import LabError
from lab.paths import Paths
from lab.processes import ProcessIdentity
from lab.regions import Topology

PROJECT, NAME = "istio-mesh", "local"
"""The backend keeps the stacks of other projects too, and a person may have one of this name in each."""

OTHERS = ("local-remote",)
"""Stacks that a proof makes of these regions in place of that one: their clusters end with the lab too."""

CANCELLATION = 60.0
"""Seconds that the engine gets to end in order: what is being made is waited for, and the state is written."""


def state(paths: Paths) -> Path | None:
    """The file that the backend keeps the stack's state in; None where there is no such stack."""
    path = paths.pulumi / ".pulumi/stacks" / PROJECT / f"{NAME}.json"
    return path if path.exists() else None


def deploy(topology: Topology, paths: Paths) -> None:
    """Bring the regions to what the stack says; the engine's progress is shown as it comes.

    Raises:
        LabError: The engine ended with a fault; it has said which.
    """
    if state(paths) is None:
        _run(topology, paths, "stack", "select", "--create", NAME)
    _run(topology, paths, "up", "--yes", "--skip-preview", "--suppress-outputs", "--stack", NAME)


def output(topology: Topology, paths: Paths, name: str) -> Any:
    """One of the stack's outputs.

    Raises:
        LabError: There is no such stack, or output.
    """
    command = _command(paths, "stack", "output", name, "--json", "--stack", NAME)
    variables = environment.process_environment(paths, topology)
    result = subprocess.run(
        command, env=variables, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if result.returncode:
        raise LabError(f"The stack's output `{name}` cannot be read: {result.stderr.strip()}. Deploy it: make up.")
    return json.loads(result.stdout)


def _command(paths: Paths, *words: str) -> tuple[str, ...]:
    return (str(paths.bin / "pulumi"), *words, "--non-interactive", "--cwd", str(paths.root))


def _run(topology: Topology, paths: Paths, *words: str) -> None:
    variables = environment.process_environment(paths, topology)
    # A lab that is killed must not leave an engine at work on its clusters: the kernel then asks it to end, which it
    # does in order, with its state written and its lock released.
    command = cgroups.joining(cgroups.create_engine(), "setpriv", "--pdeathsig", "TERM", *_command(paths, *words))
    # In a session of its own: the terminal's Ctrl-C goes to the whole group, and the engine is told by the lab, once.
    engine = subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        status = engine.wait()
    except BaseException:
        _cancel(engine)
        raise
    if status:
        raise LabError(f"`pulumi {' '.join(words)}` failed with exit code {status}; the reason is above.")


def _cancel(engine: subprocess.Popen[bytes], patience: float = CANCELLATION) -> None:
    """Have the engine end in order, by one signal (a second one makes it break off), and by force where it does not."""
    engine.send_signal(signal.SIGTERM)
    try:
        engine.wait(patience)
    except BaseException as error:
        engine.kill()
        engine.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
    finally:
        # The provider plugins are in process groups of their own, but in the engine's control group too.
        for pid in cgroups.pids(cgroups.ENGINE):
            if identity := ProcessIdentity.of(pid):
                identity.kill()


def forget(paths: Paths) -> None:
    """Remove the state, history and locks of the lab's stacks; others in the same backend are left alone."""
    for path in list(_files(paths)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _files(paths: Paths) -> Iterator[Path]:
    # Locks are kept by organization, which of a backend of files is always this one.
    for kind in ("stacks", "history", "backups", "locks/organization"):
        for path in (paths.pulumi / ".pulumi" / kind / PROJECT).glob("*"):
            # A stack's files are named after it: local.json, local.json.bak, local.json.attrs, and directories `local`.
            if path.name.split(".")[0] in (NAME, *OTHERS):
                yield path
