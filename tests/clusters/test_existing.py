"""An existing cluster: its check, its provider, and what the rest of the program knows of it."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from components import clusters
from components.clusters import Cluster, provision
from components.config.loading import check
from components.config.support import Support
from tests import mocks
from tests.builders import put, stack


def provisioned(folder: Path, **existing: Any) -> tuple[mocks.Recording, list[Cluster]]:
    found: list[Cluster] = []
    values = stack(folder)
    if existing:
        put(values, "clusters.0.existing", existing)
    config, faults = check(values)
    assert config is not None, faults
    return mocks.run(lambda: found.extend(provision(config))), found


def test_each_cluster_owns_a_provider_with_the_path_alone(tmp_path: Path) -> None:
    recording, _ = provisioned(tmp_path)

    assert recording.named("use1-provider").inputs == {
        "kubeconfig": f"{tmp_path}/kubeconfig",
        "context": "use1",
        "clusterIdentifier": "use1",
        "enableServerSideApply": "true",
        "enableSecretMutable": "true",
    }
    assert recording.named("usw2-provider").inputs["context"] == "usw2"
    assert recording.named("use1-provider").parent == "use1"


def test_what_is_in_a_lost_cluster_is_not_updated(tmp_path: Path) -> None:
    values = put(stack(tmp_path), "clusters.1.lost", True)
    config, faults = check(values)
    assert config is not None, faults
    recording = mocks.run(lambda: provision(config))
    assert recording.named("usw2-provider").inputs["skipUpdateUnreachable"] == "true"
    assert "skipUpdateUnreachable" not in recording.named("use1-provider").inputs
    assert recording.named("usw2-reachability").inputs["lost"] is True
    assert "lost" not in recording.named("use1-reachability").inputs


def test_the_environments_kubeconfig_does_not_come_into_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK would take it where the input is absent: a path of this machine, and a difference on every other."""
    stack(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))

    recording, _ = provisioned(tmp_path, context="use1")

    assert recording.named("use1-provider").inputs["kubeconfig"] == ""
    assert recording.named("use1-reachability").inputs["kubeconfig"] == ""


def test_nothing_is_asked_of_the_provider_before_the_cluster_was_checked(tmp_path: Path) -> None:
    recording, _ = provisioned(tmp_path)

    assert recording.named("use1-provider").dependencies == {"use1-reachability", "usw2-reachability"}, (
        "where one is refused, none is changed"
    )
    assert recording.named("use1-reachability").parent == "use1"


def test_every_cluster_comes_out_as_the_same_thing(tmp_path: Path) -> None:
    _, (use1, usw2) = provisioned(tmp_path)

    assert (use1.name, use1.region, use1.network, use1.api_server) == ("use1", "use1", "use1", "https://192.0.2.1:6443")
    assert (usw2.name, usw2.api_server) == ("usw2", "https://192.0.2.2:6443")
    assert use1.provider is not usw2.provider


def test_the_peers_may_have_another_address_for_it(tmp_path: Path) -> None:
    given = {"kubeconfig": f"{tmp_path}/kubeconfig", "context": "use1", "apiServer": "https://10.0.0.1:6443/"}
    _, (use1, _) = provisioned(tmp_path, **given)

    assert use1.api_server == "https://10.0.0.1:6443"


def test_an_istio_without_support_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = Support("1.31", (1, 32), (1, 36), date(2020, 8, 31))
    monkeypatch.setattr(clusters, "support_of", lambda _: ended)

    recording, _ = provisioned(tmp_path)

    assert recording.warnings() == [
        "Istio 1.31 has had no fixes since 2020-08-31, the end of its life. Go on to a later one: "
        "docs/upgrade-istio.md."
    ]


def test_an_istio_with_support_is_not(tmp_path: Path) -> None:
    recording, _ = provisioned(tmp_path)
    assert recording.warnings() == []
