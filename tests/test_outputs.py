"""The stack's outputs: what fits the contract is exported, and nothing else can be."""

from typing import Any

import pulumi
import pytest

from components.outputs import MeshOutputs, conforming
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
            "ingressAuthority": None,
        },
        "clusters": {
            "use1": {
                "name": "use1",
                "region": "us-east-1",
                "network": "use1",
                "apiServer": "https://192.0.2.1:6443",
                "kubernetesVersion": "v1.35.4",
                "ingress": {"address": "192.0.2.10", "hosts": ["exam-platform.com"]},
                "eastWestAddress": "east-west.example.com",
                "authorityExpiry": "2028-11-22T10:00:00+00:00",
            }
        },
        "services": {
            "exam/exam-service": {
                "host": "exam-service.exam.svc.cluster.local",
                "ports": {"http": 8080},
                "versions": ["v1", "v2"],
                "clusters": ["use1"],
                "callers": ["exam/web-frontend"],
                "publicHosts": ["api.exam-platform.com"],
            }
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


def test_an_address_that_is_not_there_yet_is_null() -> None:
    exported = conforming(put(values(), "clusters.use1.ingress.address", ""))
    assert exported["clusters"]["use1"]["ingress"]["address"] is None


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("mesh.id", ABSENT, "mesh.id: Field required"),
        ("mesh.owner", "platform", "mesh.owner: Extra inputs are not permitted"),
        ("contractVersion", 2, "contractVersion: Input should be 1"),
        ("clusters.use1.ingress.address", "no address", "clusters.use1.ingress.address: Value error, neither an "),
        ("clusters.use1.eastWestAddress", 7, "clusters.use1.eastWestAddress: Input should be a valid string"),
        ("clusters.use1.apiServer", "http://192.0.2.1", "clusters.use1.apiServer: String should match pattern"),
        ("clusters.use1.kubernetesVersion", "1.35", "clusters.use1.kubernetesVersion: String should match pattern"),
        ("clusters.use1.authorityExpiry", "2028-11-22T10:00:00", "clusters.use1.authorityExpiry: Input should have "),
        ("mesh.rootCertificates", authority().key, "mesh.rootCertificates: Value error, something else than "),
        ("mesh.ingressAuthority", ROOT + authority().key, "mesh.ingressAuthority: Value error, something else than "),
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
