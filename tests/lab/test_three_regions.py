"""Three regions running: the lab with a third region's lines added, as README says, in a copy of this clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from itertools import permutations
from pathlib import Path

import pytest
import yaml

from lab import tenant
from lab.paths import Paths
from lab.regions import load_regions
from tests.lab.support.commands import run, sourced
from tests.lab.support.engine import NAMESPACE, Engine
from tests.lab.support.site import SERVICE_URL, SYSTEM, Site
from tests.lab.support.stage import MESH, Stage

THIRD = {
    "name": "euw1",
    "region": "eu-west-1",
    "zone": "eu-west-1a",
    "node_address": "198.18.0.13",
    "load_balancer_cidr": "198.18.13.0/24",
    "pod_cidr": "10.103.0.0/16",
    "service_cidr": "10.203.0.0/16",
}
START = 900.0  # seconds a lab may take to start: three regions and a mesh on two cores, the tools being there already
STOP = 180.0
REQUESTS = 150


def _copy(root: Path, clone: Path) -> None:
    """All files of the clone that git knows or would, and the Python environment as a link."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, target = root / name, clone / name
        if source.is_file() and not source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    (clone / ".venv").symlink_to(sys.prefix)


def _add_third(clone: Path) -> None:
    """The lines that README names: one region more, one cluster more."""
    regions = clone / "lab" / "regions.yaml"
    topology = yaml.safe_load(regions.read_text())
    topology["regions"].append(THIRD)
    regions.write_text(yaml.safe_dump(topology, sort_keys=False))
    file = clone / "Pulumi.local.yaml"
    content = yaml.safe_load(file.read_text())
    existing = {"kubeconfig": f".lab/kubeconfig-{THIRD['name']}", "context": THIRD["name"]}
    cluster = {"name": THIRD["name"], "region": THIRD["region"], "existing": existing}
    content["config"][f"{NAMESPACE}:clusters"].append(cluster)
    file.write_text(yaml.safe_dump(content, sort_keys=False))


def _lab(root: Path, command: str, timeout: float) -> float:
    return run([sys.executable, "-m", "lab", command], env=os.environ, cwd=root, timeout=timeout).seconds


@pytest.fixture(scope="module")
def three(paths: Paths, engine: Engine) -> Generator[tuple[Mapping[str, Site], float]]:
    """The regions of a lab of three, and the seconds of its start. This clone's lab makes room, and comes back."""
    # Not in pytest's own folder: paths of sockets may have 107 characters.
    clone = Path(tempfile.mkdtemp(prefix="three-regions-"))
    _copy(paths.root, clone)
    _add_third(clone)
    _lab(paths.root, "down", STOP)
    try:
        seconds = _lab(clone, "up", START)
        env = sourced(clone / ".lab" / "env")
        topology = load_regions(clone / "lab" / "regions.yaml")
        sites = {region.name: Site.of(region, env) for region in topology.regions}
        for site in sites.values():
            tenant.deploy(site.region, site.kubectl, Stage.read().parts[MESH].workloads)
        yield sites, seconds
    finally:
        _lab(clone, "down", STOP)
        _lab(paths.root, "up", START)
        # It is new, and as committed.
        engine.restart_needed = False
        shutil.rmtree(clone)


@pytest.mark.full
@pytest.mark.disruptive
@pytest.mark.proof("C7", "three regions running: six remote secrets, every istiod synced, traffic from each to all")
def test_three_regions_answer_each_other(three: tuple[Mapping[str, Site], float], record: Callable[..., None]) -> None:
    sites, seconds = three
    assert len(sites) == 3
    secrets = {
        (secret["metadata"]["annotations"]["networking.istio.io/cluster"], site.name)
        for site in sites.values()
        for secret in site.kubectl.items("secret", "-n", SYSTEM, "-l", "istio/multiCluster=true")
    }
    assert secrets == set(permutations(sites, 2))
    everywhere = {site.region.region for site in sites.values()}
    answers: dict[str, dict[str, int]] = {}
    for site in sites.values():
        assert site.istioctl.remote_clusters() == dict.fromkeys(sites, "synced")
        site.caller().wait_for_regions(SERVICE_URL, everywhere, count=30)
        load = site.caller().requests(SERVICE_URL, REQUESTS)
        assert load.failed == 0, load.figures
        assert set(load.regions) == everywhere, f"from {site.name} the answers came from {load.regions}"
        answers[site.name] = load.regions
    record(up_s=round(seconds, 1), remote_secrets=len(secrets), answers=answers)
