"""Taking a lab away, a running one or what is left of one that was cut off."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from lab import cgroups, leftovers, network, settings, stack
from lab.errors import LabError
from lab.ownership import Marker, Ownership, State
from lab.paths import Paths
from lab.regions import Topology
from lab.waiting import wait_for


def take_away(ownership: Ownership, topology: Topology, paths: Paths, iptables_save: Path | None = None) -> None:
    """Remove everything of the lab on this machine, and what this clone keeps of its clusters.

    Raises:
        LabError: Something is left; names it.
    """
    marker = ownership.marker
    _end_processes()
    names = {*network.namespaces(topology), *(marker.namespaces if marker else ())}
    network.remove(sorted(names), topology.bridge.name)
    if marker and marker.interface != topology.bridge.name:
        network.remove((), marker.interface)
    cgroups.remove()
    if marker:
        settings.restore(marker.settings)
        cgroups.withdraw(marker.controllers)
        _remove_directories(marker)
    forget_clusters(paths)
    left = leftovers.leftovers(topology, paths, marker, iptables_save)
    if left:
        raise LabError(
            f"The lab is not gone completely; left are: {'; '.join(left)}. Start `make down` again, and restart the "
            "machine if that does not help."
        )
    ownership.forget()


def _end_processes() -> None:
    def gone() -> bool:
        remaining = leftovers.lab_processes()
        for pid in remaining:
            with contextlib.suppress(ProcessLookupError):
                # The first process of a region takes all others with it; the rest are what someone started beside them.
                os.kill(pid, signal.SIGKILL)
        return not remaining

    wait_for(gone, deadline=10, what="the lab's processes to end", interval=0.02)


def _remove_directories(marker: Marker) -> None:
    for directory in reversed(marker.directories):
        if directory == str(network.NAMESPACES):
            network.run("umount", directory, check=False)
        # Someone may have installed the program that the directory belongs to: then it stays.
        with contextlib.suppress(OSError):
            Path(directory).rmdir()


def forget_clusters(paths: Paths) -> None:
    """Remove the files that describe clusters which are gone: their own, their kubeconfigs, and the local stack's
    state.

    With its state left, the next `pulumi up` would take the resources of the old clusters for those of the new ones.
    """
    shutil.rmtree(paths.regions, ignore_errors=True)
    for path in (*paths.lab.glob("kubeconfig-*"), paths.environment, paths.ingress_authority):
        path.unlink(missing_ok=True)
    stack.forget(paths)


def down(
    ownership: Ownership,
    topology: Topology,
    paths: Paths,
    report: Callable[[str], None],
    iptables_save: Path | None = None,
) -> None:
    """End this clone's lab, or clear what is left of any that was cut off.

    Raises:
        LabError: Another clone's lab runs, or something could not be removed.
    """
    with ownership.locked():
        state = ownership.refuse_others()
        marker = ownership.marker
        if state is State.NONE and not leftovers.leftovers(topology, paths, None, iptables_save):
            forget_clusters(paths)
            report("No lab is running here; there was nothing to take away.")
            return
        if sentence := cut_off(state, marker):
            report(sentence)
        take_away(ownership, topology, paths, iptables_save)
        report("The lab is gone.")


def cut_off(state: State, marker: Marker | None) -> str:
    """What is said of a lab that was cut off; nothing where none was."""
    if state in (State.MINE_DEAD, State.OTHERS_DEAD) and marker:
        return f"A lab of {marker.clone} was cut off (a crash, a kill or a restart): what is left of it is cleared."
    return ""
