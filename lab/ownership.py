"""Which clone has a lab on this machine, and whether it lives: the marker below /run.

Only one lab fits on a machine, since its addresses and names are the machine's. The marker is written before anything
is made, and removed after everything is gone, so whatever a lab that was cut off has left is known from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from lab import processes
from lab.errors import LabError
from lab.paths import MACHINE_STATE, Paths
from lab.processes import ProcessIdentity
from lab.waiting import wait_for

MARKER = "owner.json"
LOCK = "lock"


@dataclass(frozen=True)
class Marker:
    """What the machine knows of the one lab on it.

    Attributes:
        clone: The clone that it belongs to.
        boot: The run of the machine that it was started in.
        builder: The `up` that makes it; None once that is done.
        regions: The first process of each region that was made.
        namespaces: The network namespaces that were to be made.
        interface: This machine's interface in the lab's network.
        settings: Kernel settings that were changed, with the values before.
        directories: Mount points that were made on the machine because they were missing.
        controllers: Of control groups, those that the machine's topmost group is made to hand down.
    """

    clone: str
    boot: str
    builder: ProcessIdentity | None
    regions: dict[str, ProcessIdentity] = field(default_factory=dict[str, ProcessIdentity])
    namespaces: tuple[str, ...] = ()
    interface: str = ""
    settings: dict[str, str] = field(default_factory=dict[str, str])
    directories: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Marker:
        """The marker from its file's text.

        Raises:
            LabError: It is no marker.
        """

        def identity(data: Any) -> ProcessIdentity | None:
            return ProcessIdentity(**data) if data else None

        try:
            data = json.loads(text)
            regions = {name: ProcessIdentity(**entry) for name, entry in data.pop("regions").items()}
            builder = identity(data.pop("builder"))
            lists = {name: tuple(data.pop(name)) for name in ("namespaces", "directories", "controllers")}
            return cls(builder=builder, regions=regions, **lists, **data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            path = MACHINE_STATE / MARKER
            raise LabError(
                f"{path} is not the marker of a lab ({error}): what runs on this machine cannot be told from it. If no "
                f"lab runs (`ip netns` names no `lab-...`), remove {path.parent} and start again."
            ) from error

    def render(self) -> str:
        """The text of the marker's file."""
        return json.dumps(asdict(self), indent=2) + "\n"


class State(Enum):
    """What the marker says of the lab on this machine, seen from one clone."""

    NONE = "there is none"
    MINE = "it is this clone's, and runs"
    MINE_DEAD = "it is this clone's, and was cut off"
    OTHERS = "it is another clone's, and runs"
    OTHERS_DEAD = "it is another clone's, and was cut off"
    BUILDING = "another `up` makes it just now"


def judge(
    marker: Marker | None, clone: Path, boot: str, alive: frozenset[ProcessIdentity], me: int, *, deserted: bool = False
) -> State:
    """What there is, from the marker and from which of its processes live.

    A lab lives as long as all of its regions do: the clusters of a mesh trust each other by tokens and certificates, so
    a region that was made anew beside an old one is a stranger to it, and the stack's state describes clusters that are
    gone. That is for its own clone to say, which then clears it: a lab of another is left alone as long as any process
    of it lives, unless that clone has been deleted, so that nothing else can end it.

    Args:
        marker: The marker; None where there is none.
        clone: The clone that asks.
        boot: The present run of the machine.
        alive: The identities in the marker that live.
        me: The asking process.
        deserted: The marker's clone is no longer there.
    """
    if marker is None:
        return State.NONE
    mine = marker.clone == str(clone)
    same_boot = marker.boot == boot
    if not mine:
        lives = same_boot and not deserted and bool(alive & {*marker.regions.values(), marker.builder})
        return State.OTHERS if lives else State.OTHERS_DEAD
    if same_boot and marker.builder in alive and marker.builder is not None and marker.builder.pid != me:
        return State.BUILDING
    lives = (
        same_boot
        and marker.builder is None
        and bool(marker.regions)
        and all(identity in alive for identity in marker.regions.values())
    )
    return State.MINE if lives else State.MINE_DEAD


class Ownership:
    """The marker of this machine, for one clone.

    Args:
        paths: The clone's files.
        directory: Where the marker is.

    Attributes:
        clone: The clone that asks.
    """

    def __init__(self, paths: Paths, directory: Path = MACHINE_STATE) -> None:
        self.clone = paths.root
        self._directory = directory
        self._path = directory / MARKER

    @contextlib.contextmanager
    def locked(self, patience: float = 0, report: Callable[[str], None] = lambda _: None) -> Iterator[None]:
        """Only one `up` or `down` at a time on this machine.

        Args:
            patience: Seconds to wait for another one to end.
            report: Told of the waiting.

        Raises:
            LabError: Another one is at work.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / LOCK).open("a+") as file:

            def taken() -> bool:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                return True

            def holder() -> str:
                file.seek(0)
                return f"Another command of the lab is at work on this machine ({file.read().strip()})"

            if not taken():
                if patience:
                    report(f"{holder()}: waiting up to {patience:g} s for it to end.")
                try:
                    wait_for(taken, deadline=patience, what="the other command")
                except LabError:
                    raise LabError(f"{holder()}: wait until it has ended, and start again.") from None
            file.truncate(0)
            file.write(f"process {os.getpid()} in {self.clone}\n")
            file.flush()
            yield

    @property
    def marker(self) -> Marker | None:
        """The marker; None where there is none."""
        try:
            return Marker.parse(self._path.read_text())
        except FileNotFoundError:
            return None

    def write(self, marker: Marker) -> None:
        """Keep the marker: whole or not at all."""
        self._directory.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".new")
        temporary.write_text(marker.render())
        temporary.replace(self._path)

    def forget(self) -> None:
        """Remove the marker: nothing of a lab is left. The lock's file stays, or a waiting command would hold an old
        one.
        """
        self._path.unlink(missing_ok=True)

    @property
    def state(self) -> State:
        """What there is on this machine."""
        marker = self.marker
        identities = {*marker.regions.values(), marker.builder} - {None} if marker else set[ProcessIdentity]()
        alive = frozenset(identity for identity in identities if identity is not None and identity.alive)
        deserted = marker is not None and not (Path(marker.clone) / "lab").is_dir()
        return judge(marker, self.clone, processes.boot_id(), alive, os.getpid(), deserted=deserted)

    def refuse_others(self) -> State:
        """What there is, unless it is something that this clone must not touch.

        Raises:
            LabError: A lab of another clone runs; names the clone, and the command that ends it.
        """
        state, marker = self.state, self.marker
        if state is State.OTHERS and marker:
            raise LabError(
                f"A lab of the clone {marker.clone} runs on this machine, and there can be only one: end it with "
                f"`make -C {shlex.quote(marker.clone)} down`, or work in that clone."
            )
        return state
