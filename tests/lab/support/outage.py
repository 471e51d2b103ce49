"""Ways in which a whole region goes, and comes back."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from lab import addons, cgroups, network
from lab.cli import running_regions
from lab.kube_api import KubeApi
from lab.paths import Paths
from lab.processes import ProcessIdentity
from lab.region import RegionRuntime
from lab.regions import load_regions
from lab.waiting import wait_for
from tests.lab.support.commands import run
from tests.lab.support.site import SYSTEM, Site

BACK = 120.0  # seconds until a region that is let back serves


@dataclass(frozen=True)
class Outage:
    """One way.

    :ivar traffic: whether requests to the region's services fail by it.
    """

    name: str
    begin: Callable[[Site], None]
    end: Callable[[Site], None]
    traffic: bool = True

    def __str__(self) -> str:
        return self.name

    def over(self, site: Site) -> None:
        """Ends it, and returns when the region's API server answers, its node is ready, and its istiod, which the API
        server asks about every object of Istio."""
        self.end(site)
        wait_for(
            lambda: site.kubectl.run("get", "--raw", "/readyz", timeout=5, check=False).code == 0,
            deadline=BACK,
            what=f"the API server of {site.name}",
            interval=0.5,
        )
        site.kubectl.run("wait", "--for=condition=Ready", "node", "--all", f"--timeout={BACK:.0f}s", timeout=BACK + 10)
        asked = (
            "annotate",
            "peerauthentications",
            "-n",
            SYSTEM,
            "--all",
            "proof=asked",
            "--overwrite",
            "--dry-run=server",
        )
        wait_for(
            lambda: site.kubectl.run(*asked, timeout=15, check=False).code == 0,
            deadline=BACK,
            what=f"istiod of {site.name}",
            interval=0.5,
        )


def _link(site: Site, state: str) -> None:
    """The region's plug in the network between the regions and this machine."""
    network.run("ip", "-netns", network.WIRE_NAMESPACE, "link", "set", site.region.namespace, state)


def _api_server(site: Site, action: str) -> None:
    words = [sys.executable, "-m", "lab", "component", site.name, "kube-apiserver", action]
    run(words, env=os.environ, timeout=60, cwd=Paths().root)


def crash(region: RegionRuntime) -> None:
    """All processes of the node at once; what it has on its disk stays. The region's first process is what its network
    and file systems hang on."""
    init = region.machine.require_init().pid
    killed = [found for pid in cgroups.pids(region.region.name) - {init} if (found := ProcessIdentity.of(pid))]
    for process in killed:
        process.kill(signal.SIGKILL)
    # Until then they hold on to their ports.
    name = region.region.name
    wait_for(lambda: not any(process.alive for process in killed), deadline=30, what=f"all of {name} to be gone")


def build_anew(region: RegionRuntime) -> None:
    """Another cluster in its place, as after a disaster: its addresses and authorities are the same, nothing that was
    in it is there any more."""
    crash(region)
    shutil.rmtree(region.machine.file("/var/lib/etcd/data"))
    for name in ("etcd", "kube-apiserver"):
        region.component(name).start()
    with KubeApi(region.paths.kubeconfig) as api:
        addons.apply(api, region.region, region.toolset.share("metallb") / "crds")
    region.start()


def _kill(site: Site) -> None:
    crash(running_region(site))


def _boot(site: Site) -> None:
    """What a node's service manager does: all components anew, on the disk that was there."""
    running_region(site).start()


def running_region(site: Site) -> RegionRuntime:
    """The region as the lab has it."""
    return next(each for each in running_regions(Paths(), load_regions()) if each.region.name == site.name)


LINK = Outage("its link is down", lambda site: _link(site, "down"), lambda site: _link(site, "up"))
API_SERVER = Outage(
    "its API server is gone",
    lambda site: _api_server(site, "stop"),
    lambda site: _api_server(site, "start"),
    traffic=False,
)
NODE = Outage("its node is dead", _kill, _boot)
