"""Taking a lab away, a running one or what is left of one that was cut off."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from lab import cgroups, leftovers, network, preflight, settings, stack
from lab.errors import LabError
from lab.ownership import Marker, Ownership, State
from lab.paths import Paths
from lab.region import Report
from lab.regions import Topology
from lab.waiting import wait_for

PATIENCE = 120.0
"""Seconds that `down` waits for an `up` that is ending: it takes away by itself what it had made."""

RESTARTED = "A lab of this clone was cut off (the machine was restarted): what is left of it is cleared."


def take_away(ownership: Ownership, paths: Paths) -> None:
    """Remove everything of the marker's lab on this machine, and what this clone keeps of its clusters.

    Without a marker nothing was made (it is written first), or the machine was restarted since.

    Raises:
        LabError: Something is left; names it.
    """
    marker = ownership.marker
    if marker:
        _end_processes(marker.namespaces)
        network.remove(marker.namespaces, marker.interface)
        cgroups.remove()
        settings.restore(marker.settings)
        cgroups.withdraw(marker.controllers)
        remove_directories(marker.directories)
    forget_clusters(paths)
    left = leftovers.leftovers(paths, marker) if marker else []
    if left:
        raise LabError(
            f"The lab is not gone completely; left are: {'; '.join(left)}. Start `make down` again, and restart the "
            "machine if that does not help."
        )
    ownership.forget()


def _end_processes(namespaces: Sequence[str]) -> None:
    def gone() -> bool:
        remaining = leftovers.lab_processes(namespaces)
        for identity in remaining:
            # The first process of a region takes all others with it; the rest are what someone started beside them.
            identity.kill()
        return not remaining

    wait_for(gone, deadline=10, what="the lab's processes to end", interval=0.02)


def remove_directories(directories: Sequence[str]) -> None:
    """Remove mount points that were made on the machine, given upper ones first."""
    for directory in reversed(directories):
        if directory == str(network.NAMESPACES):
            network.run("umount", directory, check=False)
        # Someone may have installed the program that the directory belongs to: then it stays.
        with contextlib.suppress(OSError):
            Path(directory).rmdir()


def forget_clusters(paths: Paths) -> None:
    """Remove the files that describe clusters which are gone: their own, their kubeconfigs (those among the temporary
    files too), and the local stack's state; and the mount points that were made for them, which outlive a restart of
    the machine as the marker does not.

    With its state left, the next `pulumi up` would take the resources of the old clusters for those of the new ones.
    """
    remove_directories(recorded_directories(paths))
    for folder in (paths.regions, paths.temporary):
        shutil.rmtree(folder, ignore_errors=True)
    for path in (*paths.lab.glob("kubeconfig-*"), paths.environment, paths.ingress_authority, paths.directories):
        path.unlink(missing_ok=True)
    stack.forget(paths)


def record_directories(paths: Paths, directories: Sequence[Path]) -> None:
    """Keep on disk which mount points are made on it; those below /run go with a restart, and another's may be there
    after it.
    """
    kept = [str(directory) for directory in directories if not directory.is_relative_to("/run")]
    paths.directories.write_text(json.dumps(kept) + "\n")


def recorded_directories(paths: Paths) -> list[str]:
    """The mount points that this clone's last lab made on the machine; none where it is gone or never was."""
    try:
        return [str(directory) for directory in json.loads(paths.directories.read_text())]
    except (OSError, ValueError, TypeError):
        return []


def clear_after_restart(paths: Paths, topology: Topology) -> bool:
    """Without a marker: forget what this clone keeps of a lab that a restart of the machine has ended.

    Returns:
        Whether there was one.

    Raises:
        LabError: Something of the lab's names is on the machine, and nothing tells that it is the lab's.
    """
    preflight.check_names(preflight.this_machine(), topology)
    was = paths.regions.exists() or paths.directories.exists()
    forget_clusters(paths)
    return was


def down(ownership: Ownership, topology: Topology, paths: Paths, report: Report, patience: float = PATIENCE) -> None:
    """End this clone's lab, or clear what is left of any that was cut off.

    Args:
        ownership: Of this machine's lab.
        topology: The lab's addresses and names.
        paths: The clone's files.
        report: Told of what is done.
        patience: Seconds to wait for another command of the lab to end.

    Raises:
        LabError: Another clone's lab runs, or something could not be removed.
    """
    with ownership.locked(patience, report):
        state = ownership.refuse_others()
        if state is State.NONE:
            if clear_after_restart(paths, topology):
                report(RESTARTED)
            else:
                report("No lab is running here; there was nothing to take away.")
            return
        if sentence := cut_off(state, ownership.marker):
            report(sentence)
        take_away(ownership, paths)
        report("The lab is gone.")


def cut_off(state: State, marker: Marker | None) -> str:
    """What is said of a lab that was cut off; nothing where none was."""
    if state in (State.MINE_DEAD, State.OTHERS_DEAD) and marker:
        return f"A lab of {marker.clone} was cut off (a crash, a kill or a restart): what is left of it is cleared."
    return ""
