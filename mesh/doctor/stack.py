"""What the stack says of its mesh: its outputs, from the engine or from a file. Nothing else here reads them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from istio_mesh_contract.model import ClusterOutputs, MeshOutputs, ServiceOutputs
from pydantic import ValidationError

from mesh.errors import MeshError

__all__ = ["ClusterOutputs", "MeshOutputs", "ServiceOutputs", "of_engine", "of_file", "parsed"]

ENGINE_TIMEOUT = 60.0
"""Seconds that the engine has to give the outputs; a backend elsewhere takes some."""


def of_engine(stack: str, project: Path) -> MeshOutputs:
    """The outputs of `stack`, as the engine has them. Raises MeshError."""
    command = ["pulumi", "stack", "output", "--json", "--non-interactive", "--stack", stack]
    try:
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=ENGINE_TIMEOUT, check=False)
    except FileNotFoundError:
        raise MeshError("There is no `pulumi` on PATH. Install it, or give the outputs by `--outputs FILE`.") from None
    except subprocess.TimeoutExpired:
        raise MeshError(
            f"The engine did not give the outputs of `{stack}` within {ENGINE_TIMEOUT:.0f} s. See what its backend "
            f"does, or give the outputs by `--outputs FILE`."
        ) from None
    if done.returncode:
        said = " ".join(done.stderr.split())[:300]
        raise MeshError(
            f"The engine does not give the outputs of `{stack}`: {said}. Log in to its backend, or give the outputs "
            f"by `--outputs FILE`."
        )
    return parsed(done.stdout, f"the outputs of `{stack}`")


def of_file(file: Path) -> MeshOutputs:
    """The outputs in a file, as `pulumi stack output --json` writes it; `-`: the standard input. Raises MeshError."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        cause = problem.strerror if isinstance(problem, OSError) else "it is not text"
        raise MeshError(
            f"{file} cannot be read: {cause}. Write it with `pulumi stack output --json > {file}`."
        ) from None
    return parsed(text, str(file))


def parsed(text: str, source: str) -> MeshOutputs:
    """The outputs that `text` holds; `source` names it in errors. Raises MeshError."""
    try:
        values: Any = json.loads(text)
        return MeshOutputs.model_validate(values, extra="ignore")
    except ValueError as problem:
        raise MeshError(
            f"{source}: {_fault(problem)}. Without the outputs of a stack of this program nobody knows what should be "
            f"there. Write them with `pulumi stack output --json`, after a `pulumi up` of this version."
        ) from None


def _fault(problem: ValueError) -> str:
    if not isinstance(problem, ValidationError):
        return "it is not JSON"
    first, *others = problem.errors(include_url=False, include_input=False)
    more = f" (and {len(others)} more)" if others else ""
    return f"`{'.'.join(str(step) for step in first['loc'])}`: {first['msg']}{more}"
