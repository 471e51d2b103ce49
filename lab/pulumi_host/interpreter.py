"""Which Python runs a program, and what is installed for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.pulumi_host import inventory


class InterpreterError(Exception):
    """There is no Python for the program: what is wrong and how to mend it."""


@dataclass(frozen=True)
class Interpreter:
    """A Python. virtualenv: the environment's folder, None outside of one."""

    executable: Path
    virtualenv: Path | None

    def environment(self) -> dict[str, str]:
        """The host's environment, as it is after the virtual environment has been activated."""
        environment = dict(os.environ)
        environment.pop("GRPC_ENABLE_FORK_SUPPORT", None)
        if self.virtualenv:
            environment.pop("PYTHONHOME", None)
            environment["VIRTUAL_ENV"] = str(self.virtualenv)
            environment["PATH"] = f"{self.virtualenv / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
        return environment

    def installed(self) -> list[dict[str, Any]]:
        """The distributions installed for it, as `inventory.distributions` gives them."""
        if self.virtualenv and self.virtualenv == Path(sys.prefix):
            return inventory.distributions()
        script = [str(self.executable), inventory.__file__]
        environment = self.environment()
        answer = subprocess.run(script, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
        if answer.returncode:
            raise InterpreterError(
                f"{self.executable} cannot list what is installed for it: {answer.stderr.strip()[-400:]}"
            )
        return json.loads(answer.stdout)

    def version(self) -> str:
        """Its version: `3.11.7`."""
        script = "import platform; print(platform.python_version())"
        return subprocess.run([str(self.executable), "-c", script], capture_output=True, text=True).stdout.strip()


def virtualenv_of(root: str, options: Mapping[str, Any]) -> Path | None:
    """The folder that the runtime option `virtualenv` names, relative to the folder of Pulumi.yaml."""
    name = options.get("virtualenv")
    return Path(os.path.normpath(Path(root) / str(name))) if name else None


def interpreter_for(root: str, options: Mapping[str, Any]) -> Interpreter:
    """The Python of a project.

    Args:
        root: The folder that holds Pulumi.yaml or PulumiPolicy.yaml.
        options: Its `runtime.options`. Without `virtualenv` it is PULUMI_PYTHON_CMD, or the python3 on PATH.

    Raises:
        InterpreterError: Another toolchain than pip is asked for, or there is no such Python.
    """
    toolchain = options.get("toolchain", "pip")
    if toolchain != "pip":
        raise InterpreterError(
            f"The runtime option toolchain: {toolchain} needs a full Pulumi installation: put one on PATH, or leave "
            "the option out and name the environment with virtualenv."
        )
    virtualenv = virtualenv_of(root, options)
    if virtualenv:
        executable = virtualenv / "bin" / "python"
        if not executable.is_file():
            raise InterpreterError(
                f"The runtime option virtualenv names {virtualenv}, which is no virtual environment: make it with "
                f"python3 -m venv {virtualenv} && {executable} -m pip install -r {Path(root) / 'requirements.txt'}"
            )
        return Interpreter(executable, virtualenv)
    names = [name] if (name := os.environ.get("PULUMI_PYTHON_CMD")) else ["python3", "python"]
    for name in names:
        if found := shutil.which(name):
            return Interpreter(Path(found), None)
    raise InterpreterError(
        f"There is no {' or '.join(names)} on PATH: install it, or name an environment with the option virtualenv."
    )
