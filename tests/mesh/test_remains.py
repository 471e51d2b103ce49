"""After `destroy` nothing of istiod's is left in namespaces that it did not make."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from components.clusters.api import Unreachable
from components.mesh import remains
from tests import builders, mocks, rooms

# pyright: reportPrivateUsage=false
PROVIDER = remains._RemainsProvider()
PROPERTIES = {"kubeconfig": "/some/kubeconfig", "context": "use1"}


class Api:
    """An API server with istiod's ConfigMaps in two namespaces."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.deleted: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        return {"items": [{"metadata": {"namespace": namespace}} for namespace in ("default", "other-team")]}

    def delete(self, path: str) -> None:
        self.deleted.append(path)


def test_istiods_config_maps_are_removed_from_every_namespace() -> None:
    api = Api()
    with patch.object(remains, "connect", return_value=api) as connect:
        PROVIDER.delete("remains", PROPERTIES)
    connect.assert_called_once_with("/some/kubeconfig", "use1")
    assert api.deleted == [
        f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        for name in ("istio-ca-root-cert", "istio-ca-crl")
        for namespace in ("default", "other-team")
    ]


def test_only_what_istiod_labelled_is_looked_for() -> None:
    api = Api()
    with patch.object(remains, "connect", return_value=api):
        PROVIDER.delete("remains", PROPERTIES)
    assert all(path.endswith("&labelSelector=istio.io%2Fconfig%3Dtrue") for path in api.asked)


def test_a_cluster_that_is_gone_does_not_keep_the_stack_from_going() -> None:
    with patch.object(remains, "connect", side_effect=Unreachable("does not answer", "Start it")):
        PROVIDER.delete("remains", PROPERTIES)


def test_a_fault_of_the_program_is_not_taken_for_a_cluster_that_is_gone() -> None:
    with patch.object(remains, "connect", side_effect=TypeError), pytest.raises(TypeError):
        PROVIDER.delete("remains", PROPERTIES)


def test_the_same_access_is_no_change_and_another_one_is_taken_over() -> None:
    moved = PROPERTIES | {"context": "other"}
    assert not PROVIDER.diff("remains", PROPERTIES, PROPERTIES).changes
    assert PROVIDER.diff("remains", PROPERTIES, moved).changes
    assert PROVIDER.update("remains", PROPERTIES, moved).outs == moved


def test_it_goes_after_istiods_namespace(tmp_path: Path) -> None:
    config = builders.stack_config(tmp_path)
    done = mocks.run(lambda: rooms.mesh(config))
    assert "use1-mesh-remains" in done.named("use1-mesh-namespace").dependencies
