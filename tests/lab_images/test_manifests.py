from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from lab.images import PROXY, tenant_image
from lab.regions import Region, load_regions
from lab.tenant import NAMESPACE, OUTSIDE, WORKLOADS, deploy, manifests
from lab.wasm import compiled

SERVICES = {"exam-service", "api-service", "admin-service", "results-service", "web-frontend", "legacy-metrics"}
MODULES = (OUTSIDE, "modules")
APPLICATION_PROTOCOLS = ("http", "grpc", "tcp")


@pytest.fixture
def region() -> Region:
    return load_regions().regions[0]


@pytest.fixture
def found(region: Region) -> list[dict[str, Any]]:
    return manifests(region)


def kind(found: list[dict[str, Any]], name: str) -> dict[tuple[str, str], dict[str, Any]]:
    chosen = [each for each in found if each["kind"] == name]
    named = {(each["metadata"].get("namespace", ""), each["metadata"]["name"]): each for each in chosen}
    assert len(named) == len(chosen), f"a {name} is there twice"
    return named


def pods(found: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {key: each["spec"]["template"]["spec"] for key, each in kind(found, "Deployment").items()}


def test_the_services_of_the_exam_platform_are_in_the_mesh_and_the_helpers_are_not(found: list[dict[str, Any]]) -> None:
    services = kind(found, "Service")
    assert {name for namespace, name in services if namespace == NAMESPACE} == SERVICES
    assert {name for namespace, name in services if namespace == OUTSIDE} == {"client", "issuer", "modules", "sink"}
    labels = {name: each["metadata"]["labels"] for (_, name), each in kind(found, "Namespace").items()}
    assert labels == {NAMESPACE: {"istio-injection": "enabled"}, OUTSIDE: {}}


def test_two_versions_stand_behind_the_exam_service(found: list[dict[str, Any]]) -> None:
    selector = kind(found, "Service")[NAMESPACE, "exam-service"]["spec"]["selector"]
    chosen = {
        name: each["spec"]["template"]["metadata"]["labels"]["version"]
        for (_, name), each in kind(found, "Deployment").items()
        if selector.items() <= each["spec"]["template"]["metadata"]["labels"].items()
    }
    assert chosen == {"exam-service-v1": "v1", "exam-service-v2": "v2"}


def test_deployments_with_a_common_service_do_not_take_each_others_pods(found: list[dict[str, Any]]) -> None:
    deployments = kind(found, "Deployment")
    for key, each in deployments.items():
        selector = each["spec"]["selector"]["matchLabels"].items()
        matched = {
            other
            for other, spec in deployments.items()
            if other[0] == key[0] and selector <= spec["spec"]["template"]["metadata"]["labels"].items()
        }
        assert matched == {key}


def test_every_port_is_named_by_its_protocol_and_led_to_a_port_of_the_pod(found: list[dict[str, Any]]) -> None:
    behind = {
        (namespace, pod["serviceAccountName"]): {
            port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]
        }
        for (namespace, _), pod in pods(found).items()
    }
    for key, service in kind(found, "Service").items():
        for port in service["spec"]["ports"]:
            assert port["name"].split("-")[0] in APPLICATION_PROTOCOLS, f"{key}: Istio reads {port['name']} as TCP"
            assert len(port["name"]) <= 15, f"{key}: Kubernetes refuses {port['name']}"
            assert behind[key][port["targetPort"]] == port["port"]


def test_every_container_has_requests_limits_and_no_privileges(found: list[dict[str, Any]]) -> None:
    for key, pod in pods(found).items():
        assert pod["securityContext"] == {"runAsNonRoot": True}, key
        assert pod["automountServiceAccountToken"] is False, key
        assert 0 < pod["terminationGracePeriodSeconds"] <= 30, key
        for container in pod["containers"]:
            assert set(container["resources"]) == {"requests", "limits"}, key
            for amounts in container["resources"].values():
                assert set(amounts) == {"cpu", "memory"}, key
            security = container["securityContext"]
            assert security["capabilities"] == {"drop": ["ALL"]}, key
            assert not security["allowPrivilegeEscalation"], key
            assert container["imagePullPolicy"] == "Never", key
            assert container["image"] == (PROXY if key == MODULES else tenant_image()), key
            assert container["readinessProbe"]["httpGet"]["port"] in {port["name"] for port in container["ports"]}, key


def test_every_service_has_an_identity_of_its_own(found: list[dict[str, Any]]) -> None:
    accounts = {(namespace, pod["serviceAccountName"]) for (namespace, _), pod in pods(found).items()}
    assert accounts == set(kind(found, "ServiceAccount")) == set(kind(found, "Service"))


def test_pods_say_where_they_are(found: list[dict[str, Any]], region: Region) -> None:
    (container,) = pods(found)[NAMESPACE, "exam-service-v2"]["containers"]
    said = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert said == {
        "SERVICE": "exam-service", "VERSION": "v2", "REGION": region.region, "ZONE": region.zone, "POD": None,
    }  # fmt: skip


def test_regions_differ_only_in_what_their_pods_say_of_them() -> None:
    one, other = load_regions().regions[:2]
    everywhere = [workload for workload in WORKLOADS if workload.regions is None]
    text = json.dumps(manifests(one, everywhere)).replace(one.region, other.region)
    assert text == json.dumps(manifests(other, everywhere)).replace(one.region, other.region)


def test_a_workload_of_some_regions_is_in_those_alone() -> None:
    there = {
        region.name: {name for _, name in kind(manifests(region), "Service")} >= {"archive-service"}
        for region in load_regions().regions
    }
    assert there == {"use1": False, "usw2": True}


def test_modules_are_served_as_files_under_their_names(found: list[dict[str, Any]]) -> None:
    pod = pods(found)[MODULES]
    (container,), (volume,) = pod["containers"], pod["volumes"]
    (mount,) = container["volumeMounts"]
    config = kind(found, "ConfigMap")[OUTSIDE, volume["configMap"]["name"]]
    assert base64.b64decode(config["binaryData"]["exam-integrity.wasm"]) == compiled("exam-integrity")
    assert (mount["name"], mount["mountPath"]) == (volume["name"], container["command"][-1])
    assert container["readinessProbe"]["httpGet"]["path"] == "/exam-integrity.wasm"


def test_a_module_that_changes_makes_a_new_pod(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    def named() -> str:
        return pods(manifests(region))[MODULES]["volumes"][0]["configMap"]["name"]

    before = named()
    monkeypatch.setitem(manifests.__globals__, "compiled", lambda name: b"another")
    assert named() != before


def test_what_proxies_fetch_serves_before_the_others_are_made(region: Region) -> None:
    """A proxy that cannot fetch a module within seconds refuses all requests until its configuration changes."""
    calls: list[tuple[tuple[str, ...], str | None]] = []

    def kubectl(*arguments: str, stdin: str | None = None) -> str:
        calls.append((arguments, stdin))
        return ""

    deploy(region, kubectl)
    applied = [number for number, (arguments, _) in enumerate(calls) if arguments[0] == "apply"]
    assert len(applied) == 2
    first, second = applied
    made = [json.loads(calls[number][1] or "")["items"] for number in applied]
    assert set(kind(made[0], "Deployment")) == {MODULES}
    assert set(kind(made[1], "Deployment")) == set(kind(manifests(region), "Deployment")) - {MODULES}
    assert "deployment/modules" in [word for arguments, _ in calls[first:second] for word in arguments]
    waited = {
        (argument.removeprefix("--namespace="), name.removeprefix("deployment/"))
        for arguments, _ in calls
        for argument in arguments
        if argument.startswith("--namespace=")
        for name in arguments
        if name.startswith("deployment/")
    }
    assert waited == set(kind(manifests(region), "Deployment"))
