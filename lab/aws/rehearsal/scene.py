"""An account of the stand-in, and the engine on a stack in it."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from lab import tools
from lab.aws.place import ENDPOINT, PACE
from lab.aws.rehearsal.account import AccountClient, running
from lab.aws.rehearsal.engine import Engine, write_commands
from lab.aws.rehearsal.stacks import Stack

SPEED = 0.003
"""Seconds here for a second of AWS: a cluster is ready after two."""


@dataclass(frozen=True)
class Scene:
    """An account, and an engine on it."""

    engine: Engine
    account: AccountClient

    def set_up(self, stack: Stack) -> None:
        """What a stack takes for granted in its account, and what its file leaves out."""
        stack.prepare(self.account)
        self.account.clear()
        self.engine.select()
        stack.complete(self.engine)


@contextmanager
def scene(
    program: Path,
    *,
    stack: str,
    number: str,
    config: Path,
    folder: Path,
    host: str = "127.0.0.1",
    prefix: Sequence[str] = (),
) -> Generator[Scene]:
    """A new account and the engine on a stack in it, for as long as the block lasts."""
    toolset = tools.ensure(["pulumi", "kubectl", "istioctl", "pulumi-kubernetes"])
    toolset.link(folder / "bin", folder / "home")
    commands = write_commands(folder / "commands")
    with running(folder, account=number, pace=SPEED, host=host) as account:
        where = {"address": account.address, "pace": SPEED, "config": config, "prefix": prefix}
        yield Scene(Engine(program, folder, stack=stack, bins=[commands, folder / "bin"], **where), account)


@contextmanager
def looked_into(account: AccountClient) -> Generator[None]:
    """While the block lasts, the provider's own code looks into the account from this process: recovery does."""
    with patch.dict(os.environ, {ENDPOINT: account.address, PACE: str(SPEED)}):
        yield
