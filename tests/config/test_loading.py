"""From the engine's environment to the model: all faults at once, nothing secret in them."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pydantic import ValidationError

from components.config import ConfigError, StackConfig, load
from components.config.trust import ProvidedIntermediate
from tests.builders import authority, faults_of, intermediate, provided, put, stack


def loaded(monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], **others: str) -> StackConfig:
    """What `load` gives when the engine hands these values over, as it does: one JSON text for each key."""
    texts = {f"istio-mesh:{key}": json.dumps(value) for key, value in values.items()}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(texts | others))
    return load(pulumi.Config("istio-mesh"))


def test_a_valid_stack_becomes_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = loaded(monkeypatch, stack(tmp_path))

    assert [cluster.name for cluster in config.clusters] == ["use1", "usw2"]
    assert [cluster.network for cluster in config.clusters] == ["use1", "usw2"], "the network is the name by default"
    existing = config.clusters[0].existing
    assert existing is not None
    assert existing.server == "https://192.0.2.1:6443"
    assert config.mesh.version == "1.31.0"
    assert (config.mesh.revision, config.mesh.image_tag) == ("1-31", "1.31.0")
    assert config.security.permissive == ()


def test_values_of_other_namespaces_are_none_of_its_business(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert loaded(monkeypatch, stack(tmp_path), **{"aws:region": "us-east-1"}).mesh.id == "exam"


def test_the_faults_of_all_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = stack(tmp_path, routing={})
    put(values, "clusters.0.name", "USE1")
    put(values, "trust.workloadCertificates", {"lifetime": "25h"})
    put(values, "mesh.dataPlane", "envoy")
    put(values, "gateways.ingress.servers.0.hosts", ["*"])
    put(values, "security", {"permissive": [{"namespace": "exam", "workload": {}, "ports": [8081]}]})

    with pytest.raises(ConfigError) as caught:
        loaded(monkeypatch, values)

    head, *lines = str(caught.value).splitlines()
    assert head == "The stack's configuration has 6 faults; nothing was changed."
    assert [line.split(": ")[0] for line in lines] == [
        "  istio-mesh:clusters[0].name",
        "  istio-mesh:trust.workloadCertificates.lifetime",
        "  istio-mesh:mesh.dataPlane",
        "  istio-mesh:gateways.ingress.servers[0].hosts[0]",
        "  istio-mesh:security.permissive[0].workload",
        "  istio-mesh:routing",
    ]


def test_a_fault_ends_the_program_without_a_stack_trace() -> None:
    assert issubclass(ConfigError, pulumi.RunError)


def test_faults_between_clusters_are_found_beside_a_faulty_one(tmp_path: Path) -> None:
    changes = {"clusters.1.region": "", "clusters.2.network": "use1"}
    paths = [fault.split(": ")[0] for fault in faults_of(tmp_path, changes, clusters=("use1", "usw2", "euw1"))]
    assert paths == ["istio-mesh:clusters[1].region", "istio-mesh:clusters[2].network"]


def test_a_cluster_with_a_fault_is_still_known_to_the_provided_intermediates(tmp_path: Path) -> None:
    root = authority()
    changes = {
        "clusters.1.region": "",
        "trust": provided(root, use1=intermediate("use1", root), usw2=intermediate("usw2", root)),
    }
    assert [fault.split(": ")[0] for fault in faults_of(tmp_path, changes)] == ["istio-mesh:clusters[1].region"]


def test_a_value_that_is_a_single_text_is_told_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"istio-mesh:trust": "hunter2"}))

    with pytest.raises(ConfigError) as caught:
        load(pulumi.Config("istio-mesh"))

    assert (
        "istio-mesh:trust: it is a single text, not a structured value. Nothing of it can be read. Write it as YAML "
        "below `istio-mesh:trust:`, or set it by `pulumi config set --path`." in str(caught.value)
    )
    assert "hunter2" not in str(caught.value)


def test_a_key_in_plain_text_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = authority()
    values = stack(tmp_path, trust=provided(root, use1=intermediate("use1", root), usw2=intermediate("usw2", root)))
    secrets = json.dumps(["istio-mesh:trust"])

    with pytest.raises(ConfigError) as caught:
        loaded(monkeypatch, values)
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", secrets)
    assert loaded(monkeypatch, values).trust.root.provided is not None, "set as a secret, it is taken"

    where = "istio-mesh:trust.root.provided.intermediates"
    assert [str(fault) for fault in caught.value.faults] == [
        f"{where}.{name}.privateKey: the key is in plain text. It stays so in the stack's file and in the history of "
        "its state, for all who may read them. Take the key for disclosed: have another made, with its certificate, "
        f"and set it by `pulumi config set --secret --path '{where}.{name}.privateKey' < key.pem`."
        for name in ("use1", "usw2")
    ]
    assert "PRIVATE" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"privateKey": "hunter2"},
        {"privateKey": ["hunter2"]},
        {"privateKey": {"value": "hunter2"}},
        {"certificate": "hunter2"},
        {"private_key": "hunter2"},
    ],
)
def test_no_fault_shows_what_may_be_a_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: dict[str, Any]
) -> None:
    root = authority()
    trust = provided(root, use1=intermediate("use1", root), usw2=intermediate("usw2", root))
    trust["root"]["provided"]["intermediates"]["use1"].update(change)

    with pytest.raises(ConfigError) as caught:
        loaded(monkeypatch, stack(tmp_path, trust=trust))

    assert "hunter2" not in str(caught.value)
    assert "PRIVATE" not in str(caught.value)
    # Python shows the causes of an exception in a trace; they would hold the input.
    cause: BaseException | None = caught.value
    while cause is not None:
        assert "hunter2" not in str(cause)
        cause = cause.__cause__ or cause.__context__


def test_a_model_used_without_load_does_not_show_its_input_either() -> None:
    with pytest.raises(ValidationError) as caught:
        ProvidedIntermediate.model_validate({"certificate": authority().certificate, "privateKey": ["hunter2"]})
    assert "hunter2" not in str(caught.value)
