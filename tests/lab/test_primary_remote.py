"""One control plane for two regions: the stack `local-remote` in place of `local`, and back.

use1 is the primary; usw2 has no istiod, and reaches the primary's through its east-west gateway.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import tenant
from lab.paths import Paths
from lab.waiting import wait_for
from tests.lab.support import lifecycle
from tests.lab.support.certificates import fingerprint, parse_bundle
from tests.lab.support.doctor import Doctor, stopped
from tests.lab.support.engine import Changes, Engine
from tests.lab.support.pods import end_gateways, proxied, proxy_of, running
from tests.lab.support.site import EXAM, INGRESS, PUBLIC, SYSTEM, WEB, Site, url_of
from tests.lab.support.stage import Stage
from tests.lab.support.tls import knock
from tests.lab.support.traffic import Caller, Load, loaded

STACK = "local-remote"
GATEWAY = "istio-eastwestgateway"
WEB_APP = WEB.removeprefix("deploy/")
STRANGER = "deploy/admin-service"  # in the same namespace, and not declared in this stack
SERVICE_URL = url_of("exam-service", EXAM)
ARCHIVE_URL = url_of("archive-service", EXAM)
ISTIO_GROUPS = (
    "networking.istio.io",
    "security.istio.io",
    "telemetry.istio.io",
    "extensions.istio.io",
)
REQUESTS = 200
FOUND = 60.0  # seconds until the doctor sees it

pytestmark = [pytest.mark.full, pytest.mark.disruptive]


@dataclass(frozen=True)
class Shared:
    """The regions with one control plane.

    :ivar created: the first `up`.
    :ivar istiod: name of istiod's Deployment and Service.
    """

    engine: Engine
    primary: Site
    remote: Site
    created: Changes
    istiod: str

    @property
    def sites(self) -> tuple[Site, Site]:
        return self.primary, self.remote

    def caller(self, site: Site, workload: str = WEB) -> Caller:
        return site.caller(EXAM, workload)

    def regions(self) -> set[str]:
        return {site.region.region for site in self.sites}


@pytest.fixture(scope="module")
def shared(
    engine: Engine,
    sites: Mapping[str, Site],
    stage: Stage,
    mesh_alone: None,
    env: Mapping[str, str],
    paths: Paths,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Shared]:
    """The stack `local` taken down and `local-remote` in its place; afterwards the other way round."""
    other = Engine(paths.root, env, tmp_path_factory.mktemp("remote"), STACK)
    names = {str(cluster["name"]): cluster.get("primary") for cluster in other.setting("clusters")}
    (remote,) = (name for name, primary in names.items() if primary)
    primary = str(names[remote])
    engine.destroy()
    try:
        other.pulumi("stack", "select", "--create", STACK)
        created = other.up()
        revision = str(other.outputs()["mesh"]["revision"])
        found = Shared(other, sites[primary], sites[remote], created, f"istiod-{revision}")
        _join(found)
        yield found
    finally:
        other.destroy()
        # The stack's own file is kept: it is the repository's.
        other.pulumi("stack", "rm", "--yes", "--preserve-config", STACK)
        engine.pulumi("stack", "select", engine.stack)
        lifecycle.up(engine, sites, stage)


def _join(shared: Shared) -> None:
    """The tenant's pods in the new mesh: those of the former one hold certificates of a root that is gone."""
    for site in shared.sites:
        site.kubectl.run("rollout", "restart", "deployment", "-n", EXAM)
    for site in shared.sites:
        tenant.deploy(site.region, site.kubectl)
    _wait_for_both_ways(shared)


def _wait_for_both_ways(shared: Shared) -> None:
    for site in shared.sites:
        shared.caller(site).wait_for_regions(SERVICE_URL, shared.regions(), count=40, deadline=90)


def _proxied(site: Site) -> set[str]:
    """Every pod of a region that has a proxy, as istiod names it."""
    return {
        f"{pod['metadata']['name']}.{namespace}"
        for namespace in (SYSTEM, INGRESS, EXAM)
        for pod in running(site.kubectl, namespace)
        if proxied(pod)
    }


@pytest.mark.proof(
    "C4", "the remote region has no istiod, no signing key and none of Istio's objects; one `up` made it"
)
def test_the_remote_region_has_no_control_plane(shared: Shared, record: Callable[..., None]) -> None:
    primary, remote = shared.primary, shared.remote
    assert set(shared.created.operations) <= {"create", "read"}
    assert running(primary.kubectl, SYSTEM, "-l", "app=istiod"), "the search would not find an istiod"
    assert not remote.kubectl.items("pod", "-n", SYSTEM, "-l", "app=istiod")
    assert not remote.kubectl.items("deployment", "-n", SYSTEM, "-l", "app=istiod")
    secrets = {
        site.name: {item["metadata"]["name"] for item in site.kubectl.items("secret", "-n", SYSTEM)}
        for site in shared.sites
    }
    assert "cacerts" in secrets[primary.name]
    assert "cacerts" not in secrets[remote.name]
    assert f"istio-remote-secret-{remote.name}" in secrets[primary.name]
    assert not [name for name in secrets[remote.name] if name.startswith("istio-remote-secret")]
    objects = {site.name: sum(len(_istio_objects(site, group)) for group in ISTIO_GROUPS) for site in shared.sites}
    assert objects[primary.name] > 10, "the search misses Istio's objects"
    assert objects[remote.name] == 0
    outputs = shared.engine.outputs()["clusters"]
    assert outputs[remote.name]["primary"] == primary.name
    assert "primary" not in outputs[primary.name]
    again = shared.engine.up(None, "--expect-no-changes")
    assert again.changed == 0, again.steps
    record(
        up_s=round(shared.created.seconds, 1), created=shared.created.operations["create"], objects=objects,
        repeated_s=round(again.seconds, 1),
    )  # fmt: skip


def _istio_objects(site: Site, group: str) -> list[str]:
    """Those that the stack made: the tenant may have its own, which nobody reads in a remote region."""
    kinds = site.kubectl.text("api-resources", f"--api-group={group}", "--verbs=list", "-o", "name").split()
    listed = site.kubectl.text(
        "get", ",".join(kinds), "-A", "--ignore-not-found", "-l", "app.kubernetes.io/part-of=istio-mesh", "-o", "name"
    )
    return listed.split()


@pytest.mark.proof("C4", "every proxy of the remote region is configured and signed for by the primary's istiod")
def test_the_remote_regions_proxies_are_the_primarys(shared: Shared, record: Callable[..., None]) -> None:
    primary, remote = shared.primary, shared.remote
    assert primary.istioctl.remote_clusters() == dict.fromkeys((primary.name, remote.name), "synced")
    istiods = {pod["metadata"]["name"] for pod in running(primary.kubectl, SYSTEM, "-l", "app=istiod")}
    served: dict[str, tuple[str, str]] = {}

    def all_served() -> bool:
        served.clear()
        served.update(primary.istioctl.proxies())
        return all(served.get(name, ("", ""))[0] == site.name for site in shared.sites for name in _proxied(site))

    wait_for(all_served, deadline=60, what="every proxy of both regions at the primary's istiod")
    proxies = _proxied(remote)
    # The tenant's pods, and both gateways.
    assert len(proxies) >= 5, proxies
    assert {istiod for name, (_, istiod) in served.items() if name in proxies} <= istiods
    # Their way there ends at the primary's load balancer.
    slices = remote.kubectl.items("endpointslice", "-n", SYSTEM, "-l", f"kubernetes.io/service-name={shared.istiod}")
    addresses = {address for found in slices for point in found["endpoints"] for address in point["addresses"]}
    assert addresses == {primary.east_west_address()}
    (signer,) = parse_bundle(primary.kubectl.secret(SYSTEM, "cacerts")["ca-cert.pem"])
    for workload in (WEB, "deploy/archive-service"):
        certificate = remote.istioctl.certificate(EXAM, workload)
        assert fingerprint(certificate.chain[1]) == fingerprint(signer), f"{workload} has another signer"
        assert certificate.leaf.issuer == signer.subject
    record(proxies=len(proxies), istiod=sorted(istiods), way=sorted(addresses))


@pytest.mark.proof(
    "L1", "with one control plane for two regions: a healthy mesh has no finding, an istiod that hangs is told"
)
def test_the_doctor_knows_one_control_plane(
    shared: Shared, paths: Paths, env: Mapping[str, str], tmp_path: Path, record: Callable[..., None]
) -> None:
    doctor = Doctor(paths.root, env, shared.engine.outputs(), tmp_path)
    healthy = doctor.healthy("two regions with one control plane without a finding")
    silent = {("istiod-silent", shared.primary.name)}
    with stopped(shared.primary.kubectl, SYSTEM, "app=istiod", "pilot-discovery"):
        hanging = doctor.finds(silent, deadline=FOUND, what="an istiod that hangs to be found")
    doctor.healthy("the same after it")
    record(seconds=healthy.seconds, hanging_s=hanging.seconds)


@pytest.mark.proof("C4", "traffic both ways with the tenant's identities, by rules that are in the primary alone")
def test_traffic_goes_both_ways(shared: Shared, record: Callable[..., None]) -> None:
    trust_domain = str(shared.engine.setting("trust", "trustDomain"))
    figures: dict[str, Any] = {}
    for site in shared.sites:
        load = shared.caller(site).requests(SERVICE_URL, REQUESTS)
        assert (load.sent, load.failed) == (REQUESTS, 0), load.figures
        assert set(load.regions) == shared.regions(), f"from {site.name} the answers came from {load.regions}"
        figures[site.name] = load.figures
        answered = shared.caller(site).answers_by_region(SERVICE_URL, shared.regions())
        for region, answer in answered.items():
            seen = answer.peer_certificate
            assert seen["URI"] == site.identity(trust_domain, EXAM, WEB), f"{region}: {seen}"
            assert seen["By"] == site.identity(trust_domain, EXAM, "deploy/exam-service-v1"), f"{region}: {seen}"
        # A service of the remote region alone, from both.
        archive = shared.caller(site).get(ARCHIVE_URL)
        assert (archive.status, archive.region) == (200, shared.remote.region.region), f"{site.name}: {archive}"
        stranger = shared.caller(site, STRANGER).get(ARCHIVE_URL)
        assert stranger.status == 403, f"{STRANGER} of {site.name}, which may not: {stranger}"
    record(**figures)


@pytest.mark.proof("C4", "the remote region's ingress serves its host, with the certificate that lies there")
def test_the_remote_regions_ingress_answers(shared: Shared, record: Callable[..., None]) -> None:
    outputs = shared.engine.outputs()
    trusted = str(outputs["mesh"]["ingressAuthority"]).encode()
    shown: dict[str, str] = {}
    for site in shared.sites:
        address = str(outputs["clusters"][site.name]["ingress"]["address"])
        answer = knock(address, 443, sni=PUBLIC, path="/health", trusted=trusted, check_name=True)
        assert answer.status == 200, f"{site.name}: {answer.reached} {answer.error} {answer.status}"
        assert answer.json["service"] == WEB_APP
        shown[site.name] = answer.json["region"]
    record(answered=shown)


def _injected(shared: Shared) -> str:
    """What becomes of a pod of the remote region that asks to be injected: `injected`, `bare`, or why it is refused.

    It is never made.
    """
    labels = {"istio.io/rev": shared.istiod.removeprefix("istiod-"), "sidecar.istio.io/inject": "true"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "proof-injection", "namespace": SYSTEM, "labels": labels},
        "spec": {"containers": [{"name": "none", "image": "none"}]},
    }
    asked = shared.remote.kubectl.run(
        *("create", "--dry-run=server", "-o", "json", "-f", "-"), stdin=json.dumps(pod), check=False
    )
    if asked.code != 0:
        return asked.text
    return "injected" if proxied(json.loads(asked.out)) else "bare"


@contextmanager
def _without(site: Site, deployment: str) -> Generator[None]:
    """As long as the block lasts, a Deployment of istio-system has no pod; afterwards it serves as before."""
    spec = site.kubectl.json("get", "deployment", deployment, "-n", SYSTEM)["spec"]
    pods = ",".join(f"{key}={value}" for key, value in spec["selector"]["matchLabels"].items())
    site.kubectl.run("scale", "-n", SYSTEM, f"deployment/{deployment}", "--replicas=0")
    try:
        # The remote region's proxies hang on istiod through the gateway, and it would serve them on.
        end_gateways(site.kubectl, SYSTEM, "-l", pods)
        wait_for(
            lambda: not site.kubectl.items("pod", "-n", SYSTEM, "-l", pods),
            deadline=90,
            what=f"the end of {deployment} in {site.name}",
        )
        yield
    finally:
        site.kubectl.run("scale", "-n", SYSTEM, f"deployment/{deployment}", f"--replicas={spec['replicas']}")
        site.kubectl.rolled_out(SYSTEM, f"deployment/{deployment}")


@pytest.mark.proof("C4", "a new pod of the remote region is injected by the primary, through its east-west gateway")
def test_a_new_pod_is_injected_by_the_primary(shared: Shared, record: Callable[..., None]) -> None:
    primary, remote = shared.primary, shared.remote
    before = {pod["metadata"]["name"] for pod in running(remote.kubectl, EXAM, "-l", f"app={WEB_APP}")}
    remote.kubectl.run("rollout", "restart", "-n", EXAM, WEB)
    remote.kubectl.rolled_out(EXAM, WEB)
    (pod,) = [
        found
        for found in running(remote.kubectl, EXAM, "-l", f"app={WEB_APP}")
        if found["metadata"]["name"] not in before
    ]
    said = {entry["name"]: entry.get("value") for entry in proxy_of(pod)["env"]}
    assert said["ISTIO_META_CLUSTER_ID"] == remote.name
    assert said["ISTIO_META_NETWORK"] == remote.name
    name = f"{pod['metadata']['name']}.{EXAM}"
    wait_for(
        lambda: primary.istioctl.proxies().get(name, ("", ""))[0] == remote.name,
        deadline=30,
        what=f"{name} at the istiod of {primary.name}",
    )
    assert _injected(shared) == "injected"
    with _without(primary, GATEWAY):
        refused = _injected(shared)
        assert "failed calling webhook" in refused, f"the webhook has another way than the gateway: {refused}"
    wait_for(lambda: _injected(shared) == "injected", deadline=60, what="injection through the gateway that is back")
    _wait_for_both_ways(shared)
    record(pod=pod["metadata"]["name"], without_the_gateway=" ".join(refused.split())[-160:])


@pytest.mark.proof("C4", "the remote region keeps serving under load while the primary's istiod is down")
def test_the_remote_region_outlives_istiod(shared: Shared, record: Callable[..., None]) -> None:
    primary, remote = shared.primary, shared.remote
    callers = [(shared.caller(site), SERVICE_URL) for site in shared.sites]
    callers.append((shared.caller(remote), ARCHIVE_URL))
    during: list[Load] = []
    with loaded(callers) as loads:
        with _without(primary, shared.istiod):
            refused = _injected(shared)
            assert "failed calling webhook" in refused, f"istiod is not down: {refused}"
            # Connections of their own, so that each has a handshake and a choice of endpoint.
            during += [shared.caller(site).requests(SERVICE_URL, REQUESTS) for site in shared.sites]
        wait_for(lambda: _injected(shared) == "injected", deadline=60, what="the first injection afterwards")
        proxies = _proxied(remote)
        wait_for(
            lambda: proxies <= set(primary.istioctl.proxies()),
            deadline=90,
            what="the remote region's proxies at the new istiod",
        )
    record(
        refused=" ".join(refused.split())[-160:],
        during=[load.figures for load in during],
        all_along=[load.figures for load in loads],
    )
    for load in (*during, *loads):
        assert load.failed == 0, load.figures
    for load in during:
        assert set(load.regions) == shared.regions(), load.figures


@pytest.mark.proof("C4", "`destroy` ends with nothing left in either region")
def test_destroy_leaves_nothing(shared: Shared, record: Callable[..., None]) -> None:
    present = {site.name: lifecycle.left_of_the_mesh(site.kubectl) for site in shared.sites}
    destroyed = shared.engine.destroy()
    left = {site.name: lifecycle.left_of_the_mesh(site.kubectl) for site in shared.sites}
    record(
        seconds=round(destroyed.seconds, 1),
        objects_before={region: len(objects) for region, objects in present.items()},
    )
    assert all(len(objects) > 20 for objects in present.values()), "the search would miss what is left"
    assert shared.engine.resources() == []
    assert {region: objects for region, objects in left.items() if objects} == {}
