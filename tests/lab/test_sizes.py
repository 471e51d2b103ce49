"""Sizes: production's where the stack file says none, accepted by the API servers; the lab's own as it says them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.support.commands import run
from tests.lab.support.engine import NAMESPACE, Engine
from tests.lab.support.helm import Release, rendered
from tests.lab.support.kubectl import PROXY
from tests.lab.support.pods import proxy_of
from tests.lab.support.site import EXAM, INGRESS, SYSTEM, WEB, Site

ISTIOD = {"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"cpu": "1", "memory": "4Gi"}}
SIDECAR = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "200m", "memory": "256Mi"}}
SPREAD = {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
SCALED = {"istiod": (3, 10, 70), "istio-ingress": (2, 8, 80), "istio-eastwestgateway": (2, 8, 80)}
"""Fewest and most replicas, and percent of cpu, by the app that is scaled."""


@pytest.fixture(scope="module")
def unsized(engine: Engine) -> Path:
    """The stack without a word on sizes: what is left out has production's defaults."""
    content = yaml.safe_load(engine.base.read_text(encoding="utf-8"))
    config = content["config"]
    for name in ("istiod", "proxies"):
        del config[f"{NAMESPACE}:mesh"][name]
    for name in ("ingress", "eastWest"):
        gateway = config[f"{NAMESPACE}:gateways"][name]
        del gateway["replicas"], gateway["resources"]
    file = engine.scratch / "Pulumi.unsized.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def planned(engine: Engine, unsized: Path) -> dict[str, Any]:
    """The engine's preview of that file, as it tells it to other programs."""
    said = engine.pulumi("preview", "--json", "--stack", engine.stack, "--config-file", str(unsized))
    return json.loads(said.out)


def _releases(planned: Mapping[str, Any], region: str) -> list[Release]:
    """What the engine would hand to Helm in one region, of the charts that make pods."""
    states = [step["newState"] for step in planned["steps"] if "newState" in step]
    return [
        Release(found["chart"], found["name"], found["namespace"], found["values"])
        for state in states
        if state["type"] == "kubernetes:helm.sh/v3:Release"
        and f"::{region}-provider::" in state["provider"]
        and not (found := state["inputs"])["chart"].endswith("/base")
    ]


@pytest.fixture
def accepted(
    home: Site, planned: dict[str, Any], engine: Engine, env: Mapping[str, str], tmp_path: Path
) -> list[dict[str, Any]]:
    """The objects of the releases, as the region's API server would keep them: it checks them all and changes none."""
    releases = [
        Release(str(engine.root / release.chart), release.name, release.namespace, release.values)
        for release in _releases(planned, home.name)
    ]
    assert {release.name for release in releases} >= {"istio-ingress", "istio-eastwestgateway"}
    assert len(releases) == 3, [release.name for release in releases]
    found: list[dict[str, Any]] = []
    by_release = rendered(releases, env, tmp_path / "render")
    for release in releases:
        objects = by_release[release.name]
        words = ["apply", "--dry-run=server", "--server-side", "--force-conflicts", "-n", release.namespace]
        answer = home.kubectl.run(*words, "-o", "json", "-f", "-", stdin=yaml.safe_dump_all(objects)).out
        kept = json.loads(answer)
        kept = kept["items"] if kept["kind"] == "List" else [kept]
        assert len(kept) == len(objects)
        found += kept
    return found


def _of(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """The specs of one kind by their label `app`, which the charts give to all that is about one Deployment."""
    return {item["metadata"]["labels"]["app"]: item["spec"] for item in objects if item["kind"] == kind}


@pytest.mark.proof("C2", "without a word on sizes they are production's, and the API server accepts every object")
def test_production_sizes_are_accepted(
    home: Site, accepted: list[dict[str, Any]], env: Mapping[str, str], tmp_path: Path, record: Callable[..., None]
) -> None:
    deployments, scalers = _of(accepted, "Deployment"), _of(accepted, "HorizontalPodAutoscaler")
    budgets = _of(accepted, "PodDisruptionBudget")
    (discovery,) = deployments["istiod"]["template"]["spec"]["containers"]
    assert discovery["resources"] == ISTIOD
    scaled = {
        app: (
            spec["minReplicas"],
            spec["maxReplicas"],
            *(
                metric["resource"]["target"]["averageUtilization"]
                for metric in spec["metrics"]
                if metric["resource"]["name"] == "cpu"
            ),
        )
        for app, spec in scalers.items()
    }
    assert scaled == SCALED
    assert {app: spec["minAvailable"] for app, spec in budgets.items()} == dict.fromkeys(SCALED, 1)
    for app, spec in deployments.items():
        spread = spec["template"]["spec"]["topologySpreadConstraints"]
        assert {constraint["topologyKey"] for constraint in spread} == SPREAD, app
        for constraint in spread:
            chosen, pods = constraint["labelSelector"]["matchLabels"], spec["template"]["metadata"]["labels"]
            assert chosen.items() <= pods.items(), f"{app}: {chosen} selects none of its own pods"
    proxy, mesh = _injected(accepted, env, tmp_path)
    assert proxy["resources"] == SIDECAR
    assert mesh["accessLogFile"] == "", "access logs are off"
    record(objects=len(accepted), scaled={app: list(numbers) for app, numbers in scaled.items()}, budgets=len(budgets))


def _injected(
    objects: list[dict[str, Any]], env: Mapping[str, str], folder: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sidecar that istiod's own injector would add with these ConfigMaps, and the mesh's configuration."""
    maps = {
        next(iter(sorted(item["data"]))): item["data"]
        for item in objects
        if item["kind"] == "ConfigMap" and not {"config", "mesh"}.isdisjoint(item.get("data", {}))
    }
    files: dict[str, Path] = {}
    for key, data in (("config", maps["config"]), ("values", maps["config"]), ("mesh", maps["mesh"])):
        files[key] = folder / key
        files[key].write_text(data[key], encoding="utf-8")
    container = {"name": "app", "image": "app"}
    template = {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": {"app": "app"}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app"}, "spec": spec}
    said = run(
        [
            "istioctl", "kube-inject", "-f", "-", "--injectConfigFile", files["config"],
            "--valuesFile", files["values"], "--meshConfigFile", files["mesh"],
        ],
        env=env,
        stdin=yaml.safe_dump(deployment),
        timeout=60,
    )  # fmt: skip
    injected = next(found for found in yaml.safe_load_all(said.out) if found)
    return proxy_of(injected["spec"]["template"]), yaml.safe_load(maps["mesh"]["mesh"])


@pytest.mark.proof("C2", "production's sizes change the releases alone, in place, and no cluster is refused")
def test_production_sizes_are_an_update_in_place(
    sites: Mapping[str, Site], planned: dict[str, Any], record: Callable[..., None]
) -> None:
    changed = {
        step["urn"].rpartition("::")[2]: step["op"]
        for step in planned["steps"]
        if step["op"] not in ("same", "read", "refresh") and "Release" in step["urn"]
    }
    assert set(changed.values()) == {"update"}
    assert len(changed) == 3 * len(sites), sorted(changed)
    assert not {"delete", "replace", "create"} & set(planned["changeSummary"]), planned["changeSummary"]
    record(changes=planned["changeSummary"])


@pytest.mark.proof("C2", "the lab's own sizes run as its stack file says them")
def test_the_labs_sizes_run(home: Site, engine: Engine, record: Callable[..., None]) -> None:
    sizes = {
        (SYSTEM, "istiod"): engine.setting("mesh", "istiod"),
        (SYSTEM, "istio-eastwestgateway"): engine.setting("gateways", "eastWest"),
        (INGRESS, "istio-ingress"): engine.setting("gateways", "ingress"),
    }
    for (namespace, app), said in sizes.items():
        (deployment,) = home.kubectl.items("deployment", "-n", namespace, "-l", f"app={app}")
        replicas = said["replicas"]
        assert replicas["min"] == replicas["max"], "the lab fixes the number: it has no figures of use to scale by"
        assert deployment["status"]["readyReplicas"] == deployment["spec"]["replicas"] == replicas["min"], app
        pods = home.kubectl.items("pod", "-n", namespace, "-l", f"app={app}", "--field-selector=status.phase=Running")
        assert len(pods) == replicas["min"]
        names = {"discovery", PROXY}
        (container,) = [c for pod in pods for c in pod["spec"]["containers"] if c["name"] in names]
        assert container["resources"] == said["resources"], app
        for kind in ("horizontalpodautoscaler", "poddisruptionbudget"):
            assert not home.kubectl.items(kind, "-n", namespace), f"one replica of {app} needs no {kind}"
    selector = home.kubectl.json("get", WEB, "-n", EXAM)["spec"]["selector"]["matchLabels"]
    chosen = ",".join(f"{key}={value}" for key, value in selector.items())
    for pod in home.kubectl.items("pod", "-n", EXAM, "-l", chosen):
        assert proxy_of(pod)["resources"] == engine.setting("mesh", "proxies", "resources")
    record(deployments=[app for _, app in sizes])
