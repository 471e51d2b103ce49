"""A stack as its file has it, on an account with nothing in it: what is previewed of AWS without AWS.

Nothing is laid over the file. What it leaves out, or has sealed with a key that is not here, is made for it: keys and
certificates.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from lab.aws.rehearsal import overlay
from lab.aws.rehearsal.account import AccountClient
from lab.aws.rehearsal.engine import Engine
from lab.aws.rehearsal.scene import scene
from lab.aws.rehearsal.stacks import Stack


@dataclass(frozen=True)
class EmptyAccount:
    """An account that has what a stack takes for granted and nothing else, and the engine on the stack.

    Attributes:
        stack: The stack's name.
        engine: With the stand-in for AWS among its commands.
        account: Counts what is changed in it.
        config: The stack's configuration, whole.
    """

    stack: str
    engine: Engine
    account: AccountClient
    config: Path

    def configured(self, changes: Mapping[str, Any]) -> Path:
        """The configuration with something laid over it, as a file of its own."""
        content = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        content["config"] = overlay.laid_over(content["config"], changes)
        file = self.config.with_name(f"Pulumi.{self.stack}-changed.yaml")
        file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return file


@contextmanager
def empty_account(stack: Stack, project: Path) -> Generator[EmptyAccount]:
    """The account for as long as the block lasts. project: the program's folder.

    Raises:
        LabError: A tool could not be had, or the account did not start.
    """
    with tempfile.TemporaryDirectory(prefix="istio-mesh-empty-account-") as name:
        folder = Path(name)
        # Sealed values are cut out: `complete` makes others.
        config = folder / f"Pulumi.{stack.name}.yaml"
        whole = Stack(stack.name, unsealed(stack.values))
        config.write_text(yaml.safe_dump({"config": dict(whole.values)}, sort_keys=False), encoding="utf-8")
        with scene(project, stack=stack.name, number=stack.account, config=config, folder=folder) as found:
            found.set_up(whole)
            yield EmptyAccount(stack.name, found.engine, found.account, config)


def unsealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """A stack's configuration without its secrets: nothing in place of each `{secure: ...}`."""
    return cast(dict[str, Any], _unsealed(value))


def _unsealed(value: Any) -> Any:
    if isinstance(value, Mapping):
        fields = cast(Mapping[str, Any], value)
        return None if set(fields) == {"secure"} else {key: _unsealed(each) for key, each in fields.items()}
    return [_unsealed(each) for each in cast(list[Any], value)] if isinstance(value, list) else value
