"""Revision tags: webhooks of their own, which change in place."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.mesh import MeshConfig
from components.mesh.tags import tag_webhooks
from tests import builders, mocks, rooms

MESH = MeshConfig.model_validate({"id": "exam"})

NEXT = """
- name: rev.namespace.sidecar-injector.istio.io
  namespaceSelector:
    matchExpressions:
    - {key: istio.io/rev, operator: In, values: [next]}
    - {key: istio-injection, operator: DoesNotExist}
  objectSelector:
    matchExpressions:
    - {key: sidecar.istio.io/inject, operator: NotIn, values: ["false"]}
- name: rev.object.sidecar-injector.istio.io
  namespaceSelector:
    matchExpressions:
    - {key: istio.io/rev, operator: DoesNotExist}
    - {key: istio-injection, operator: DoesNotExist}
  objectSelector:
    matchExpressions:
    - {key: sidecar.istio.io/inject, operator: NotIn, values: ["false"]}
    - {key: istio.io/rev, operator: In, values: [next]}
"""

DEFAULT = (
    NEXT.replace("next", "default")
    + """
- name: namespace.sidecar-injector.istio.io
  namespaceSelector:
    matchExpressions:
    - {key: istio-injection, operator: In, values: [enabled]}
  objectSelector:
    matchExpressions:
    - {key: sidecar.istio.io/inject, operator: NotIn, values: ["false"]}
- name: object.sidecar-injector.istio.io
  namespaceSelector:
    matchExpressions:
    - {key: istio-injection, operator: DoesNotExist}
    - {key: istio.io/rev, operator: DoesNotExist}
  objectSelector:
    matchExpressions:
    - {key: sidecar.istio.io/inject, operator: In, values: ["true"]}
    - {key: istio.io/rev, operator: DoesNotExist}
"""
)


@pytest.mark.parametrize(("tag", "expected"), [("next", NEXT), ("default", DEFAULT)])
def test_a_tag_asks_its_istiod_for_the_pods_of_its_namespaces(tag: str, expected: str) -> None:
    made = tag_webhooks(tag, MESH, namespace="istio-system", path="/inject")
    selectors = ("name", "namespaceSelector", "objectSelector")
    assert [{key: webhook[key] for key in selectors} for webhook in made] == yaml.safe_load(expected)
    for webhook in made:
        assert {key: value for key, value in webhook.items() if key not in selectors} == {
            "clientConfig": {
                "service": {"name": "istiod-1-31", "namespace": "istio-system", "path": "/inject", "port": 443}
            },
            "sideEffects": "None",
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "admissionReviewVersions": ["v1"],
        }


def run(folder: Path, **upgrade: Any) -> mocks.Recording:
    mesh = {"id": "exam", "version": "1.30.4", "upgrade": {"version": "1.31.0", **upgrade}}
    services = {"exam/api": {"ports": {"http": 8080}}, "results/api": {"ports": {"http": 8080}}}
    config = builders.stack_config(folder, mesh=mesh, services=services, gateways={})
    return mocks.run(lambda: rooms.mesh(config))


def test_a_second_istiod_is_beside_the_first_with_all_of_its_own(tmp_path: Path) -> None:
    done = run(tmp_path)
    for name, version in (("use1-mesh-istiod-1-30", "1.30.4"), ("use1-mesh-istiod-1-31", "1.31.0")):
        found = done.named(name).inputs
        assert (found["version"], found["values"]["global"]["tag"]) == (version, version)
        revision = version[:4].replace(".", "-")
        assert (found["name"], found["values"]["revision"]) == (f"istiod-{revision}", revision)
        assert "use1-mesh-base" in done.named(name).dependencies
    base = done.named("use1-mesh-base").inputs
    assert base["version"] == "1.31.0", "definitions are those of the newest, which the other one takes too"
    assert base["values"]["defaultRevision"] == "1-30"


@pytest.mark.parametrize(("moved", "revision"), [(False, "1-30"), (True, "1-31")])
def test_the_default_tag_moves_in_place(tmp_path: Path, moved: bool, revision: str) -> None:
    done = run(tmp_path, default=moved)
    tag = done.named("use1-mesh-tag-default")
    assert tag.inputs["metadata"]["name"] == "istio-revision-tag-default"
    assert tag.inputs["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "pulumi",
        "app.kubernetes.io/part-of": "istio-mesh",
        "app.kubernetes.io/component": "control-plane",
        "istio-mesh/mesh-id": "exam",
        "app": "sidecar-injector",
        "istio.io/tag": "default",
        "istio.io/rev": revision,
    }
    assert f"use1-mesh-istiod-{revision}" in tag.dependencies
    assert done.named("use1-mesh-tag-next").inputs["metadata"]["labels"]["istio.io/rev"] == "1-31"
    assert done.named("use1-mesh-base").inputs["values"]["defaultRevision"] == revision


def test_namespaces_move_by_the_tag_one_by_one(tmp_path: Path) -> None:
    done = run(tmp_path, namespaces=["exam"])
    labels = {name: done.named(f"use1-namespaces-{name}").inputs["metadata"]["labels"] for name in ("exam", "results")}
    assert labels == {"exam": {"istio.io/rev": "next"}, "results": {"istio-injection": "enabled"}}


@pytest.mark.parametrize(
    ("moved", "versions"),
    [([], ["1.30.4", "1.30.4"]), (["eastWest"], ["1.30.4", "1.31.0"]), (["ingress", "eastWest"], ["1.31.0"] * 2)],
)
def test_gateways_move_by_themselves_and_stay_the_same_releases(
    tmp_path: Path, moved: list[str], versions: list[str]
) -> None:
    done = run(tmp_path, gateways=moved)
    found = [done.named(f"use1-gateways-{role}").inputs for role in ("ingress", "east-west")]
    assert [inputs["version"] for inputs in found] == versions
    assert [inputs["values"]["revision"] for inputs in found] == [v[:4].replace(".", "-") for v in versions]
    assert [inputs["name"] for inputs in found] == ["istio-ingress", "istio-eastwestgateway"]
    digests = {inputs["values"]["podAnnotations"]["istio-mesh/proxy"] for inputs in found}
    assert len(digests) == len(set(versions)), "the proxies of one version are made anew for another one"


def test_without_an_upgrade_there_is_one_tag(tmp_path: Path) -> None:
    config = builders.stack_config(tmp_path)
    done = mocks.run(lambda: rooms.mesh(config))
    assert {found.name for found in done.of_type("MutatingWebhookConfiguration")} == {
        "use1-mesh-tag-default",
        "usw2-mesh-tag-default",
    }
