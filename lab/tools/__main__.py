"""`python -m lab.tools`: the tools without the lab."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lab.errors import LabError
from lab.tools import build, ensure, go

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command("ensure")
def ensure_tools(
    names: Annotated[list[str] | None, typer.Argument(help="Tools or commands; all by default.")] = None,
) -> None:
    """Make what is missing, and print every command with its path."""
    for name, path in sorted(ensure(names or None).commands.items()):
        print(f"{name}\t{path}")


@app.command()
def link(folder: Path, home: Annotated[Path | None, typer.Option(help="PULUMI_HOME to be.")] = None) -> None:
    """Fill a folder to be put first in PATH: pulumi with its plugins, kubectl, istioctl."""
    ensure(["pulumi", "kubectl", "istioctl", "pulumi-kubernetes"]).link(folder, home)


@app.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run_tool(
    command: Annotated[str, typer.Argument(help="A command of the catalogue.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="What it is told.")] = None,
) -> None:
    """Run one command of the tools, made first where it is missing."""
    program = ensure([command]).path(command)
    os.execv(program, [str(program), *(arguments or [])])


@app.command("go", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run_go(arguments: Annotated[list[str], typer.Argument(help="What go is told.")]) -> None:
    """Run the Go that the tools are built with, in the environment of their builds."""
    program = go()
    os.execve(program, [str(program), *arguments], build.environment(program))


try:
    app()
except LabError as error:
    sys.exit(str(error))
