"""What every proof gets: the running lab, a kubectl and an istioctl for each region, traffic, the engine."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping

import pytest

from lab.paths import Paths
from lab.regions import Topology, load_regions
from lab.waiting import wait_for
from tests.lab import evidence
from tests.lab.support import workloads
from tests.lab.support.commands import CommandFailed, run, sourced
from tests.lab.support.engine import Engine
from tests.lab.support.lifecycle import anew
from tests.lab.support.site import SERVICE_URL, Site
from tests.lab.support.stage import MESH, Stage

TOPOLOGY = load_regions()


def pytest_configure(config: pytest.Config) -> None:
    """One proof run by plain `pytest <file>` has its evidence too."""
    if not config.pluginmanager.has_plugin(evidence.__name__):
        config.pluginmanager.register(evidence, evidence.__name__)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A proof that asks for `home` runs once for each region, seen from there."""
    if "home" in metafunc.fixturenames:
        metafunc.parametrize("home", [region.name for region in TOPOLOGY.regions], indirect=True)


@pytest.fixture(scope="session")
def paths() -> Paths:
    return Paths()


@pytest.fixture(scope="session")
def topology() -> Topology:
    return TOPOLOGY


@pytest.fixture(scope="session")
def env(paths: Paths) -> Mapping[str, str]:
    """The environment after `. .lab/env`."""
    if not paths.environment.exists():
        raise RuntimeError(f"no lab runs in this clone ({paths.environment} is missing): start one with `make up`")
    return sourced(paths.environment)


@pytest.fixture(scope="session")
def regions(env: Mapping[str, str], topology: Topology, pytestconfig: pytest.Config) -> Mapping[str, Site]:
    """The regions of the running lab by name, as they are found."""
    found = {region.name: Site.of(region, env) for region in topology.regions}
    for site in found.values():
        try:
            site.kubectl.run("get", "--raw", "/readyz", timeout=15)
        except CommandFailed as problem:
            raise RuntimeError(
                f"the region {site.name} does not answer: start the lab with `make up`. {problem}"
            ) from None
    evidence.evidence_of(pytestconfig).versions.update(_versions(env, next(iter(found.values()))))
    return found


def _versions(env: Mapping[str, str], site: Site) -> dict[str, str]:
    istio = site.istioctl.versions()
    kubernetes = site.kubectl.json("version")
    return {
        "istio": str(istio["meshVersion"][0]["Info"]["version"]),
        "kubernetes": str(kubernetes["serverVersion"]["gitVersion"]),
        "pulumi": run(["pulumi", "version"], env=env, timeout=30).out.strip(),
    }


@pytest.fixture
def home(request: pytest.FixtureRequest, sites: Mapping[str, Site]) -> Site:
    """The region the proof is seen from."""
    return sites[request.param]


@pytest.fixture
def peer(home: Site, sites: Mapping[str, Site]) -> Site:
    """A region that is not home."""
    return next(site for site in sites.values() if site is not home)


@pytest.fixture(scope="session")
def stage() -> Stage:
    """What the proofs add to the stack and to the tenant."""
    return Stage.read()


@pytest.fixture(scope="session")
def engine(env: Mapping[str, str], paths: Paths, stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The engine on the local stack, with the stage laid over what is committed."""
    engine = Engine(paths.root, env, tmp_path_factory.mktemp("engine"))
    stage.lay_over(engine)
    return engine


@pytest.fixture(scope="session")
def trust_domain(engine: Engine) -> str:
    """Of every identity in the mesh."""
    return str(engine.setting("trust", "trustDomain"))


@pytest.fixture(scope="session")
def sites(regions: Mapping[str, Site], engine: Engine, stage: Stage) -> Generator[Mapping[str, Site]]:
    """The regions by name, with the stage set up. `KEEP_STAGE=1` leaves it for the next session."""
    stage.set_up(engine, regions)
    yield regions
    if not os.environ.get("KEEP_STAGE"):
        stage.narrow(engine, regions)


@pytest.fixture(scope="session")
def mesh_alone(engine: Engine, sites: Mapping[str, Site], stage: Stage) -> None:
    """For proofs that take the mesh away, after which every pod in it is started anew: nothing of the stage is there
    but what they need. They come last."""
    stage.narrow(engine, sites, MESH)


@pytest.fixture
def changes(engine: Engine, sites: Mapping[str, Site]) -> Generator[Engine]:
    """The engine for a proof that changes the stack: no other session does meanwhile, and after it all is as before."""
    with engine.reserved():
        yield engine
        engine.up()


@pytest.fixture(scope="session")
def normal_again(engine: Engine, sites: Mapping[str, Site], stage: Stage) -> Generator[None]:
    """At the session's end the lab is as `make up` left it, whatever a proof did that cannot be put back."""
    yield
    if engine.restart_needed:
        anew(engine, sites, stage)


@pytest.fixture
def starts_anew(engine: Engine, normal_again: None) -> None:
    """For a proof after which only `destroy` and `up` lead back to the committed configuration."""
    engine.restart_needed = True


@pytest.fixture(scope="session")
def rotating(sites: Mapping[str, Site]) -> Generator[None]:
    """A workload in each region whose certificate lives for two minutes."""
    for site in sites.values():
        site.kubectl.apply(workloads.rotating(site.kubectl))
    for site in sites.values():
        site.kubectl.rolled_out(workloads.PROOF, workloads.ROTATING)
    wait_for(
        lambda: all(
            site.caller().get(workloads.ROTATING_URL).status == 200
            and site.caller(workloads.PROOF, workloads.ROTATING).get(SERVICE_URL).status == 200
            for site in sites.values()
        ),
        deadline=60,
        what="the first answers of the short-lived workloads",
    )
    yield
    workloads.remove_namespace([site.kubectl for site in sites.values()], workloads.PROOF)


@pytest.fixture
def put_back(engine: Engine, sites: Mapping[str, Site]) -> Generator[None]:
    """Afterwards the stack is as committed, also where a proof went round it."""
    with engine.reserved():
        yield
        engine.up(None, "--refresh")
