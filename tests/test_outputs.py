"""The stack's outputs: what fits the contract is exported, and nothing else can be."""

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest
from istio_mesh_contract import MeshOutputs

from components.outputs import cloud, conforming, load_balancer, way_in
from tests import mocks
from tests.builders import ABSENT, authority, put

ROOT = authority().certificate


def values() -> dict[str, Any]:
    return {
        "contractVersion": 1,
        "mesh": {
            "id": "exam",
            "trustDomain": "exam-platform.local",
            "rootCertificates": ROOT,
            "istioVersion": "1.31.0",
            "revision": "1-31",
            "tag": "default",
        },
        "clusters": {
            "use1": {
                "name": "use1",
                "region": "us-east-1",
                "network": "use1",
                "apiServer": "https://192.0.2.1:6443",
                "kubernetesVersion": "v1.35.4",
                "certificateAuthority": ROOT,
                "authentication": {"kind": "token"},
                "ingress": {"address": "192.0.2.10"},
                "eastWest": {"name": "east-west.example.com"},
                "authorityExpiry": "2028-11-22T10:00:00+00:00",
            }
        },
        "gateways": {
            "api.exam-platform.com": {
                "host": "api.exam-platform.com",
                "gateway": "istio-ingress/ingress",
                "principal": "exam-platform.local/ns/istio-ingress/sa/istio-ingress",
                "tls": {"minimumVersion": "1.2", "generated": True},
                "offeredTo": ["shop"],
            }
        },
        "services": {
            "exam/exam-service": {
                "host": "exam-service.exam.svc.cluster.local",
                "ports": {"http": {"number": 8080, "protocol": "http"}},
                "versions": ["v1", "v2"],
                "clusters": ["use1"],
                "principal": "exam-platform.local/ns/exam/sa/exam-service",
                "callers": ["exam/web-frontend"],
                "publicHosts": ["api.exam-platform.com"],
                "offeredTo": ["shop"],
                "callsOut": [],
            }
        },
        "telemetry": {
            "traces": {"protocol": "otlp", "host": "collector.observability.svc.cluster.local", "port": 4317},
            "dashboards": {"grafana": "https://grafana.exam-platform.com"},
        },
    }


def test_what_fits_is_exported_as_it_is() -> None:
    assert conforming(values()) == {
        **values(),
        "clusters": {"use1": {**values()["clusters"]["use1"], "authorityExpiry": "2028-11-22T10:00:00Z"}},
    }


def test_a_cluster_of_its_own_says_nothing_of_a_primary_and_a_remote_one_names_it() -> None:
    own = conforming(put(values(), "clusters.use1.primary", None))
    assert "primary" not in own["clusters"]["use1"], "readers of the former outputs know no such field"
    remote = conforming(put(values(), "clusters.use1.primary", "usw2"))
    assert remote["clusters"]["use1"]["primary"] == "usw2"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("192.0.2.10", {"address": "192.0.2.10"}),
        ("2001:db8::1", {"address": "2001:db8::1"}),
        ("k8s-1234.elb.us-east-1.amazonaws.com", {"name": "k8s-1234.elb.us-east-1.amazonaws.com"}),
        ("", {}),
    ],
)
def test_a_load_balancer_is_said_by_what_it_has(host: str, said: dict[str, str]) -> None:
    exported = conforming(put(values(), "clusters.use1.ingress", load_balancer(host)))
    assert exported["clusters"]["use1"]["ingress"] == said


def test_nothing_is_exported_as_null() -> None:
    """The engine drops nulls below the first level, and a reader would not find what the exporter saw."""
    assert "null" not in json.dumps(conforming(put(values(), "mesh.ingressAuthority", None)))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("mesh.id", ABSENT, "mesh.id: it is missing"),
        ("mesh.owner", "platform", "mesh.owner: extra inputs are not permitted"),
        ("contractVersion", 2, "contractVersion: input should be 1"),
        ("clusters.use1.ingress.address", "no address", "clusters.use1.ingress.address: it is no IP address"),
        ("clusters.use1.eastWest.name", "no address", "clusters.use1.eastWest.name: it is no host name"),
        ("clusters.use1.eastWest", 7, "clusters.use1.eastWest: input should be a valid dictionary or instance of "),
        ("clusters.use1.apiServer", "http://192.0.2.1", "clusters.use1.apiServer: string should match pattern"),
        ("clusters.use1.kubernetesVersion", "1.35", "clusters.use1.kubernetesVersion: string should match pattern"),
        ("clusters.use1.authorityExpiry", "2028-11-22T10:00:00", "clusters.use1.authorityExpiry: input should have "),
        ("clusters.use1.certificateAuthority", authority().key, "clusters.use1.certificateAuthority: it is something"),
        ("mesh.rootCertificates", authority().key, "mesh.rootCertificates: it is something else than "),
        ("mesh.ingressAuthority", ROOT + authority().key, "mesh.ingressAuthority: it is something else than "),
    ],
)
def test_what_does_not_fit_cannot_be_exported(path: str, value: object, said: str) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        conforming(put(values(), path, value))

    head, line = str(caught.value).splitlines()
    assert head.startswith("The stack's outputs break their contract, and other teams' programs would fail on them")
    assert line.strip().startswith(said)
    assert "PRIVATE KEY" not in str(caught.value)


def test_every_field_says_what_it_is() -> None:
    schema = MeshOutputs.model_json_schema()
    silent = [
        f"{name}.{key}"
        for name, definition in {**schema["$defs"], "MeshOutputs": schema}.items()
        for key, field in definition["properties"].items()
        if not field.get("description")
    ]
    assert silent == []


def test_a_cluster_of_aws_says_its_network_and_how_it_knows_its_users() -> None:
    encoded = base64.b64encode(ROOT.encode()).decode()

    def program() -> None:
        made: Any = SimpleNamespace(
            authentication={"kind": "eks", "eksCluster": pulumi.Output.from_input("exam-use1")},
            certificate_authority=pulumi.Output.from_input(encoded),
            vpc_id="vpc-1",
            subnet_ids=("subnet-a", "subnet-b"),
            oidc_issuer="https://oidc.eks.us-east-1.amazonaws.com/id/1",
        )
        pulumi.export("said", {**way_in(made), **cloud(made)})

    said = mocks.run(program).outputs["said"]
    assert said == {
        "certificateAuthority": ROOT,
        "authentication": {"kind": "eks", "eksCluster": "exam-use1"},
        "vpc": {"id": "vpc-1", "subnets": ["subnet-a", "subnet-b"]},
        "oidcIssuer": "https://oidc.eks.us-east-1.amazonaws.com/id/1",
    }
    exported = values()
    exported["clusters"]["use1"] |= said
    assert conforming(exported)["clusters"]["use1"].items() >= said.items()


def test_nothing_but_the_contract_is_exported() -> None:
    root = Path(__file__).parents[1]
    sources = [root / "__main__.py", *(root / "components").rglob("*.py")]
    exporting = [file.relative_to(root).as_posix() for file in sources if "pulumi.export(" in file.read_text()]
    assert exporting == ["components/outputs.py"]
