"""The example's objects beside those of the stack that it is a guest of: what Istio's own checkers say of them all."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.platform import Service
from components.resources.namespaces import stub_spec
from tests.builders import stack_config
from tests.contract.consumers import REPOSITORY, example
from tests.istioctl import analysed, needs_istioctl, validated
from tests.stacks import rendered

OBJECTS = ("VirtualService", "DestinationRule", "AuthorizationPolicy", "PeerAuthentication", "Namespace", "Service")


def _consumer() -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": "v1" if kind in ("Namespace", "Service") else found.inputs["apiVersion"],
            "kind": kind,
            "metadata": found.inputs["metadata"],
            **({"spec": _whole(found.inputs["spec"])} if "spec" in found.inputs else {}),
        }
        for found in example().resources
        if (kind := found.type.rpartition(":")[2]) in OBJECTS and found.provider == "mesh-use1"
    ]


def _whole(value: Any) -> Any:
    """The engine's protocol knows floats alone; the provider writes whole numbers."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _service(service: Service) -> dict[str, Any]:
    """As the tenant has it; the platform makes the pods' Services only where they do not run."""
    metadata = {"name": service.name, "namespace": service.namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": stub_spec(service)}


def _platform(folder: Path) -> list[dict[str, Any]]:
    written = yaml.safe_load((REPOSITORY / "Pulumi.local.yaml").read_text())["config"]
    values = {key.partition(":")[2]: value for key, value in written.items()}
    del values["clusters"], values["mesh"]["charts"]
    stack = stack_config(folder, **values)
    ingress = {"name": "ingress", "namespace": "istio-ingress", "labels": {"istio": "ingress"}}
    return [
        *(found.manifest({}) for found in rendered(stack, "use1")),
        *(_service(service) for service in stack.platform.services.values()),
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "exam", "labels": {"istio-injection": "enabled"}},
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": ingress, "spec": {"containers": [{"name": "istio-proxy"}]}},
    ]


@pytest.mark.istioctl
@needs_istioctl
def test_istio_takes_the_example_beside_the_platform(tmp_path: Path) -> None:
    consumer = _consumer()
    assert {found["kind"] for found in consumer} == set(OBJECTS)
    validated(tmp_path / "alone.yaml", consumer)
    assert analysed(tmp_path / "together.yaml", [*_platform(tmp_path), *consumer]) == []


@pytest.mark.istioctl
@needs_istioctl
def test_the_analysers_see_what_it_is_a_guest_of(tmp_path: Path) -> None:
    """Without the platform its gateway is nowhere, and they say so."""
    said = analysed(tmp_path / "alone.yaml", _consumer())
    assert any("IST0101" in line and "istio-ingress/ingress" in line for line in said), said
