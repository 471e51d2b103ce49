"""After `destroy` nothing of istiod's is left in namespaces that it did not make."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from components.clusters.api import Missing, Silent, Unreachable
from components.config.kubeconfig import KubeconfigError
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


class Failing(Api):
    """The first deletion of each name fails."""

    def __init__(self, problem: Unreachable) -> None:
        super().__init__()
        self.problem = problem

    def delete(self, path: str) -> None:
        super().delete(path)
        if "/default/" in path:
            raise self.problem


def warned_of(connected: Any) -> list[str]:
    with patch.object(remains, "connect", side_effect=connected), patch("pulumi.log.warn") as warn:
        PROVIDER.delete("remains", PROPERTIES)
    return [call.args[0] for call in warn.call_args_list]


def test_a_cluster_that_is_gone_does_not_keep_the_stack_from_going() -> None:
    assert warned_of(Silent("does not answer", "Start it")) == []


def test_one_that_is_gone_already_keeps_no_other() -> None:
    api = Failing(Missing("has no such thing (404)", "Make it"))
    assert warned_of([api]) == []
    assert len(api.deleted) == 4


def test_one_that_may_not_be_removed_is_told_and_keeps_no_other() -> None:
    api = Failing(Unreachable("answers 409 to it", "See its logs"))
    told = warned_of([api])
    assert len(api.deleted) == 4
    assert told == [
        f"istiod's ConfigMap default/{name} was not removed: the API server answers 409 to it. It stays behind and "
        "harms nothing. See its logs, and delete it with `kubectl delete configmap -A -l istio.io/config=true`."
        for name in remains.CONFIG_MAPS
    ]


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (Unreachable("refuses the credentials (401)", "Renew them"), "the API server refuses the credentials (401)"),
        (KubeconfigError("kubeconfig", "there is no file gone", "Mend the path"), "there is no file gone"),
    ],
)
def test_a_cluster_that_lets_nobody_in_is_told(problem: Exception, said: str) -> None:
    (told,) = warned_of(problem)
    assert told.startswith(f"istiod's ConfigMap istio-ca-root-cert or istio-ca-crl was not removed: {said}. ")


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
