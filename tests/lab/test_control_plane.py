"""What runs is what the stack says: versions, images, and the node agent when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

import pytest

from lab.waiting import wait_for
from tests.lab.support.engine import Engine
from tests.lab.support.site import EXAM, FRONTEND, INGRESS, SERVICE_URL, SYSTEM, UNDECLARED, Site
from tests.lab.support.workloads import like_frontend, namespace, remove_namespace

CONFINED = "confined"


def _images(pods: list[dict[str, Any]], hub: str) -> set[str]:
    """The images below `hub` that run in the pods' containers, sidecars and init containers."""
    statuses = [
        status
        for pod in pods
        for key in ("containerStatuses", "initContainerStatuses")
        for status in pod["status"].get(key, [])
    ]
    # The tenant's own image lies beside Istio's in the lab.
    return {
        status["image"] for status in statuses if status["image"].startswith(hub) and "/tenant" not in status["image"]
    }


@pytest.mark.proof("C1", "the version of the stack file is the one that runs, in istiod, gateways and sidecars")
def test_the_configured_version_runs(home: Site, engine: Engine, record: Callable[..., None]) -> None:
    version, images = engine.setting("mesh", "version"), engine.setting("mesh", "images")
    reported = home.istioctl.versions()
    control = {entry["Info"]["version"] for entry in reported["meshVersion"]}
    proxies = [entry["IstioVersion"] for entry in reported["dataPlaneVersion"]]
    assert control == {version}
    assert set(proxies) == {version}
    pods = {name: home.kubectl.items("pod", "-n", name) for name in (SYSTEM, INGRESS, EXAM)}
    # Every pod of the tenant and both gateways: a sidecar that never connected would be missing here.
    assert len(proxies) >= len(pods[EXAM]) + 2, f"{len(proxies)} proxies, {len(pods[EXAM])} pods of the tenant"
    found = {image for listed in pods.values() for image in _images(listed, images["hub"])}
    # The tag follows the version where the stack file does not say one.
    tag = images.get("tag", version)
    assert found == {f"{images['hub']}/{name}:{tag}" for name in ("pilot", "proxyv2")}
    (istiod,) = home.kubectl.items("deployment", "-n", SYSTEM, "-l", "app=istiod")
    assert istiod["metadata"]["labels"]["istio.io/rev"] == "-".join(version.split(".")[:2])
    record(version=version, proxies=len(proxies), images=sorted(found))


@pytest.fixture
def confined(sites: Mapping[str, Site], engine: Engine) -> Generator[None]:
    """A namespace that refuses pods which ask for NET_ADMIN, with one workload to be injected."""
    labels = {"istio-injection": "enabled", "pod-security.kubernetes.io/enforce": "baseline"}
    for site in sites.values():
        site.kubectl.apply([namespace(CONFINED, labels), like_frontend(site.kubectl, "confined", CONFINED)])
    yield
    remove_namespace([site.kubectl for site in sites.values()], CONFINED)
    engine.up()
    for site in sites.values():
        assert not site.kubectl.items("daemonset", "-n", SYSTEM), "the node agent stayed"
        # Pods are made by the node as before.
        site.kubectl.run("rollout", "restart", "-n", EXAM, "deployment/admin-service")
        site.kubectl.rolled_out(EXAM, "deployment/admin-service")


@pytest.mark.proof("C1", "a pod without NET_ADMIN joins the mesh with the node agent, and cannot without it")
def test_a_pod_without_net_admin_joins(
    sites: Mapping[str, Site], engine: Engine, confined: None, trust_domain: str, record: Callable[..., None]
) -> None:
    for site in sites.values():

        def refused(site: Site = site) -> bool:
            conditions = site.kubectl.json("get", "deploy", "confined", "-n", CONFINED)["status"].get("conditions", [])
            messages = [entry.get("message", "") for entry in conditions if entry["type"] == "ReplicaFailure"]
            return any("NET_ADMIN" in message for message in messages)

        wait_for(refused, deadline=60, what=f"the refusal of a pod with NET_ADMIN in {site.name}")
        # Tried again by the Deployment at growing intervals: it is to try when there is a node agent.
        site.kubectl.run("scale", "-n", CONFINED, "deployment/confined", "--replicas=0")
    changes = engine.up(engine.configured({"mesh": {"cni": True}}))
    for site in sites.values():
        site.kubectl.run("scale", "-n", CONFINED, "deployment/confined", "--replicas=1")
        site.kubectl.rolled_out(CONFINED, "deployment/confined")
        (pod,) = site.kubectl.items("pod", "-n", CONFINED, "--field-selector=status.phase=Running")
        containers = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
        asked = {
            capability
            for container in containers
            for capability in container.get("securityContext", {}).get("capabilities", {}).get("add", [])
        }
        assert asked == set(), f"the pod asks for {asked}"
        caller = site.caller(CONFINED, "deploy/confined")
        # Both ways through its sidecar: what leaves carries its identity, what arrives in plain text is refused.
        wait_for(lambda caller=caller: caller.get(SERVICE_URL).status == 200, deadline=60, what="its first answer")
        identity = caller.get(SERVICE_URL).peer_certificate["URI"]
        assert identity == f"spiffe://{trust_domain}/ns/{CONFINED}/sa/default"
        assert set(caller.requests(SERVICE_URL, 60).regions) == {other.region.region for other in sites.values()}
        url = f"http://{pod['status']['podIP']}:8080/"
        refusal = site.outsider().get(url)
        assert refusal.status == 0, f"plain text was taken: {refusal}"
        assert refusal.error in ("reset", "closed"), refusal
    record(
        up_s=round(changes.seconds, 1),
        containers=[container["name"] for container in containers],
        frontend_inits=[entry["name"] for entry in _init_containers(site)],
    )


def _init_containers(site: Site) -> list[dict[str, Any]]:
    (pod, *_) = site.kubectl.items("pod", "-n", UNDECLARED, "-l", f"app={FRONTEND.removeprefix('deploy/')}")
    return pod["spec"].get("initContainers", [])
