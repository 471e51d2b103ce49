"""The real engine on real clusters: what it finds, what it says of a fault, and a stack's whole life."""

from __future__ import annotations

import datetime
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from lab.paths import Paths
from lab.waiting import wait_for
from tests.lab.support import lifecycle
from tests.lab.support.certificates import parse_bundle
from tests.lab.support.commands import run
from tests.lab.support.engine import Changes, Engine
from tests.lab.support.site import FRONTEND, SERVICE_URL, SYSTEM, UNDECLARED, Site, host_of
from tests.lab.support.stage import Stage

# Seconds after which a run that cannot reach a cluster must have ended: the reachability check gives up long before,
# the rest is the engine's own start on a busy machine.
FAULT_TIME = 60.0
# Kinds of what a mesh is made of: the search for leftovers must find each of them while the mesh is there.
MADE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "CustomResourceDefinition",
    "Deployment",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Secret",
    "ValidatingWebhookConfiguration",
}
NETWORK_LABEL = "topology.istio.io/network"


@pytest.mark.proof("A4", "`up` of what is there changes nothing")
def test_an_up_without_change_changes_nothing(
    sites: Mapping[str, Site], engine: Engine, record: Callable[..., None]
) -> None:
    changes = engine.up(None, "--expect-no-changes")
    assert changes.changed == 0, changes.steps
    record(seconds=round(changes.seconds, 1), resources=changes.operations["same"])


@pytest.mark.proof("A4", "the outputs describe the clusters as they are, without a secret")
def test_the_outputs_describe_the_clusters(
    sites: Mapping[str, Site], engine: Engine, record: Callable[..., None]
) -> None:
    outputs = engine.outputs()
    assert outputs == engine.outputs(secrets=True), "some output is secret"
    assert set(outputs["clusters"]) == set(sites)
    for name, site in sites.items():
        cluster = outputs["clusters"][name]
        (intermediate,) = parse_bundle(site.kubectl.secret(SYSTEM, "cacerts")["ca-cert.pem"])
        assert cluster["region"] == site.region.region
        assert cluster["network"] == site.kubectl.json("get", "namespace", SYSTEM)["metadata"]["labels"][NETWORK_LABEL]
        assert cluster["kubernetesVersion"] == site.kubectl.json("version")["serverVersion"]["gitVersion"]
        assert cluster["eastWest"]["address"] == site.east_west_address()
        assert cluster["ingress"]["address"] == site.ingress_address()
        assert datetime.datetime.fromisoformat(cluster["authorityExpiry"]) == intermediate.not_valid_after_utc
    record(contract=outputs["contractVersion"], clusters=sorted(outputs["clusters"]))


@pytest.mark.proof("A4", "a wrong context is named with its cluster and file before anything changes")
def test_a_wrong_context_is_named(sites: Mapping[str, Site], engine: Engine, record: Callable[..., None]) -> None:
    clusters = engine.setting("clusters")
    first, second, *rest = clusters
    wrong = {**second, "existing": {**second["existing"], "context": "nowhere"}}
    config = engine.configured({"clusters": [first, wrong, *rest]})
    before = engine.resources()
    result = engine.pulumi(
        "up", "--yes", "--skip-preview", "--stack", engine.stack, "--config-file", str(config), check=False
    )
    assert result.code != 0
    for said in ("nowhere", second["existing"]["kubeconfig"], "clusters[1].existing.context"):
        assert said in result.text, f"`{said}` is missing in: {result.text[-1500:]}"
    assert engine.resources() == before
    record(seconds=round(result.seconds, 1))


@dataclass(frozen=True)
class Life:
    """A stack's way from its end to its next beginning."""

    present: Mapping[str, list[str]]
    destroyed: Changes
    remained: list[str]
    left: Mapping[str, list[str]]
    previewed: Changes
    created: Changes
    resources: list[str]
    repeated: Changes


@pytest.fixture(scope="module")
def life(engine: Engine, sites: Mapping[str, Site], stage: Stage, mesh_alone: None) -> Life:
    """`destroy`, then `preview`, `up` and `up` of an empty stack; traffic after it is part of `up`."""
    present = {site.name: lifecycle.left_of_the_mesh(site.kubectl) for site in sites.values()}
    destroyed = engine.destroy()
    remained = engine.resources()
    left = {site.name: lifecycle.left_of_the_mesh(site.kubectl) for site in sites.values()}
    previewed = engine.preview()
    created = lifecycle.up(engine, sites, stage)
    return Life(
        present=present,
        destroyed=destroyed,
        remained=remained,
        left=left,
        previewed=previewed,
        created=created,
        resources=engine.resources(),
        repeated=engine.up(None, "--expect-no-changes"),
    )


@pytest.mark.disruptive
@pytest.mark.proof("A4", "`destroy` ends with nothing left in the clusters")
def test_destroy_leaves_nothing(life: Life, record: Callable[..., None]) -> None:
    record(
        seconds=round(life.destroyed.seconds, 1),
        deleted=life.destroyed.operations.get("delete", 0),
        objects_before={region: len(objects) for region, objects in life.present.items()},
    )
    for region, objects in life.present.items():
        kinds = {entry.split()[0] for entry in objects}
        assert kinds >= MADE, f"{region}: the search misses {MADE - kinds}, and would miss them afterwards"
    assert set(life.destroyed.operations) <= {"delete", "discard"}  # what was only read is discarded
    assert life.remained == []
    assert {region: left for region, left in life.left.items() if left} == {}


@pytest.mark.disruptive
@pytest.mark.proof("A4", "a preview of an empty stack shows every resource that `up` then makes")
def test_a_preview_of_an_empty_stack_shows_everything(life: Life, record: Callable[..., None]) -> None:
    shown = {
        urn for operation, urn in life.previewed.steps if operation == "create" and "pulumi:pulumi:Stack::" not in urn
    }
    record(seconds=round(life.previewed.seconds, 1), resources=len(shown))
    assert set(life.previewed.operations) == {"create"}
    assert shown == set(life.resources)
    assert len(shown) >= 30


@pytest.mark.disruptive
@pytest.mark.proof("A4", "`up` after `destroy` is right at the first try, and traffic crosses the regions again")
def test_up_after_destroy_works(life: Life, record: Callable[..., None]) -> None:
    record(seconds=round(life.created.seconds, 1), created=life.created.operations["create"])
    assert set(life.created.operations) <= {"create", "read"}


@pytest.mark.disruptive
@pytest.mark.proof("A4", "a second `up` shows no change")
def test_a_second_up_shows_no_change(life: Life, record: Callable[..., None]) -> None:
    record(seconds=round(life.repeated.seconds, 1), same=life.repeated.operations["same"])
    assert life.repeated.changed == 0, life.repeated.steps


def _component(paths: Paths, region: str, name: str, action: str) -> None:
    run([sys.executable, "-m", "lab", "component", region, name, action], env=os.environ, timeout=60, cwd=paths.root)


def _sees_changes(site: Site) -> float:
    """Seconds until the region's istiod, which asks its API server again at growing intervals, sees what changes."""
    name = "proof-after-outage"
    spec = {"selector": {"app": "echo"}, "ports": [{"name": "http", "port": 8080}]}
    metadata = {"name": name, "namespace": UNDECLARED}
    site.kubectl.apply([{"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}])
    started = time.monotonic()
    try:
        wait_for(
            lambda: site.istioctl.endpoints(UNDECLARED, FRONTEND, host_of(name, UNDECLARED), 8080),
            deadline=120,
            what=f"istiod of {site.name} to see a new Service",
            interval=1,
        )
    finally:
        site.kubectl.run("delete", "service", "-n", UNDECLARED, name, "--ignore-not-found")
    return time.monotonic() - started


@pytest.mark.disruptive
@pytest.mark.proof("A4", "an API server that is down is named in time, and the other region keeps answering")
def test_a_stopped_api_server_is_named(
    sites: Mapping[str, Site], mesh_alone: None, engine: Engine, paths: Paths, record: Callable[..., None]
) -> None:
    lost, other, *_ = sites.values()
    with other.caller().load(SERVICE_URL, rate=20) as load:
        _component(paths, lost.name, "kube-apiserver", "stop")
        try:
            said = {
                verb: engine.pulumi(verb, *words, "--stack", engine.stack, check=False, timeout=FAULT_TIME * 2)
                for verb, words in (("preview", []), ("up", ["--yes", "--skip-preview"]))
            }
        finally:
            _component(paths, lost.name, "kube-apiserver", "start")
            started = time.monotonic()
            wait_for(
                lambda: lost.kubectl.run("get", "--raw", "/readyz", timeout=5).code == 0,
                deadline=60,
                what=f"the API server of {lost.name}",
            )
            ready = time.monotonic() - started
        for verb, result in said.items():
            assert result.code != 0, f"{verb} went through without an API server"
            assert f"`{lost.name}`" in result.text, f"{verb} does not name {lost.name}: {result.text[-1500:]}"
            assert f"cluster `{other.name}`" not in result.text, f"{verb} blames {other.name} too"
            assert result.seconds < FAULT_TIME, f"{verb} took {result.seconds:.0f} s"
        again = engine.up(None, "--expect-no-changes")
        seen = _sees_changes(lost)
        assert set(lost.caller().requests(SERVICE_URL, 60).regions) == {site.region.region for site in sites.values()}
    record(
        **{f"{verb}_s": round(result.seconds, 1) for verb, result in said.items()},
        ready_again_s=round(ready, 1),
        up_again_s=round(again.seconds, 1),
        istiod_sees_changes_after_s=round(seen, 1),
        load=load.figures,
    )
    assert load.failed == 0, load.figures
