"""Whose lab is on the machine, and whether it lives."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.ownership import Marker, Ownership, State, judge
from lab.paths import Paths
from lab.processes import ProcessIdentity, boot_id

MINE, OTHERS = Path("/clones/mine"), Path("/clones/others")
EAST, WEST, UP = ProcessIdentity(100, 1), ProcessIdentity(200, 2), ProcessIdentity(300, 3)
ALL = frozenset({EAST, WEST, UP})


def marker(clone: Path = MINE, boot: str = "now", builder: ProcessIdentity | None = None) -> Marker:
    return Marker(str(clone), boot, builder, {"use1": EAST, "usw2": WEST})


@pytest.mark.parametrize(
    ("seen", "alive", "expected"),
    [
        (None, ALL, State.NONE),
        (marker(), ALL, State.MINE),
        (marker(OTHERS), ALL, State.OTHERS),
        # One region is not half a mesh: the stack's state describes clusters that are gone.
        (marker(), frozenset({EAST}), State.MINE_DEAD),
        # Of another clone's it is for that clone to say, as long as anything of it lives.
        (marker(OTHERS), frozenset({EAST}), State.OTHERS),
        (marker(OTHERS), frozenset(), State.OTHERS_DEAD),
        # Processes of the same ids after a restart are others.
        (marker(boot="before"), ALL, State.MINE_DEAD),
        (marker(OTHERS, boot="before"), ALL, State.OTHERS_DEAD),
        (marker(builder=UP), ALL, State.BUILDING),
        (marker(OTHERS, builder=UP), ALL, State.OTHERS),
        # The `up` that made it was killed half-way.
        (marker(builder=UP), frozenset({EAST, WEST}), State.MINE_DEAD),
        (marker(OTHERS, builder=UP), frozenset({EAST, WEST}), State.OTHERS),
        (marker(OTHERS, builder=UP), frozenset(), State.OTHERS_DEAD),
    ],
)
def test_the_marker_and_the_living_processes_tell_what_there_is(
    seen: Marker | None, alive: frozenset[ProcessIdentity], expected: State
) -> None:
    assert judge(seen, MINE, "now", alive, me=999) is expected


def test_a_lab_whose_clone_was_deleted_can_be_taken_away() -> None:
    assert judge(marker(OTHERS), MINE, "now", ALL, me=999, deserted=True) is State.OTHERS_DEAD


def test_a_lab_without_regions_does_not_live() -> None:
    empty = Marker(str(MINE), "now", None)
    assert judge(empty, MINE, "now", ALL, me=999) is State.MINE_DEAD


def test_the_marker_is_read_as_it_was_written(tmp_path: Path) -> None:
    ownership = Ownership(Paths(MINE), tmp_path)
    written = Marker(
        str(MINE),
        boot_id(),
        ProcessIdentity.of(os.getpid()),
        {"use1": EAST},
        ("lab-wire", "lab-use1"),
        "meshlab0",
        {"fs.inotify.max_user_instances": "128"},
        ("/opt/cni",),
        ("cpuset",),
    )
    ownership.write(written)
    assert ownership.marker == written
    ownership.forget()
    assert ownership.marker is None
    assert ownership.state is State.NONE


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"clone": "/x"}'])
def test_a_damaged_marker_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "owner.json").write_text(text)
    with pytest.raises(LabError, match="is not the marker of a lab"):
        _ = Ownership(Paths(MINE), tmp_path).state


def test_a_living_lab_of_another_clone_is_refused_with_the_command_that_ends_it(tmp_path: Path) -> None:
    process = ProcessIdentity.of(os.getpid())
    assert process is not None
    others = tmp_path / "the others"
    (others / "lab").mkdir(parents=True)
    Ownership(Paths(others), tmp_path).write(Marker(str(others), boot_id(), None, {"use1": process}))
    with pytest.raises(LabError, match=f"`make -C '{others}' down`"):
        Ownership(Paths(MINE), tmp_path).refuse_others()
    (others / "lab").rmdir()
    assert Ownership(Paths(MINE), tmp_path).refuse_others() is State.OTHERS_DEAD, "nothing else can end it"


def test_a_dead_lab_of_another_clone_is_not_refused(tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "60"])
    process = ProcessIdentity.of(child.pid)
    assert process is not None
    ownership = Ownership(Paths(MINE), tmp_path)
    (tmp_path / "others/lab").mkdir(parents=True)
    ownership.write(Marker(str(tmp_path / "others"), boot_id(), None, {"use1": process}))
    assert ownership.state is State.OTHERS
    process.kill(signal.SIGKILL)
    child.wait()
    assert ownership.refuse_others() is State.OTHERS_DEAD


def test_a_recycled_process_id_is_another_process() -> None:
    me = ProcessIdentity.of(os.getpid())
    assert me is not None
    assert me.alive
    assert not ProcessIdentity(me.pid, me.start_time + 1).alive


def test_a_second_command_at_the_same_time_is_refused(tmp_path: Path) -> None:
    first, second = Ownership(Paths(MINE), tmp_path), Ownership(Paths(OTHERS), tmp_path)
    outcome: list[str] = []

    def enter() -> None:
        try:
            with second.locked():
                outcome.append("entered")
        except LabError as error:
            outcome.append(str(error))

    with first.locked():
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    assert "is at work on this machine" in outcome[0]
    assert str(MINE) in outcome[0]
    with second.locked():
        pass


def test_down_waits_for_the_command_before_it(tmp_path: Path) -> None:
    first, second = Ownership(Paths(OTHERS), tmp_path), Ownership(Paths(MINE), tmp_path)
    told: list[str] = []
    holds, waits = threading.Event(), threading.Event()

    def hold() -> None:
        with first.locked():
            holds.set()
            assert waits.wait(5)

    def report(what: str) -> None:
        told.append(what)
        waits.set()

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(5)
    with second.locked(10, report):
        pass
    thread.join()
    assert "waiting up to 10 s" in told[0]


def test_a_signal_reaches_the_very_process_only() -> None:
    child = subprocess.Popen(["sleep", "60"])
    identity = ProcessIdentity.of(child.pid)
    assert identity is not None
    ProcessIdentity(identity.pid, identity.start_time - 1).kill()
    assert identity.alive
    identity.kill(signal.SIGTERM)
    assert child.wait(5) == -signal.SIGTERM
    identity.kill()
