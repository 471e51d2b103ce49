"""A kubeconfig is read as kubectl reads it."""

from pathlib import Path

import pytest
import yaml

from components.config.kubeconfig import KubeconfigError, select
from tests.builders import write_kubeconfig


def test_the_named_context_is_taken(tmp_path: Path) -> None:
    found = select(str(write_kubeconfig(tmp_path)), "usw2")
    assert (found.context, found.server) == ("usw2", "https://192.0.2.2:6443")
    assert found.user["token"] == "secret-token-of-usw2"
    assert "secret-token" not in repr(found), "credentials must not be in a log or a trace"


def test_without_a_name_the_current_context_is_taken(tmp_path: Path) -> None:
    assert select(str(write_kubeconfig(tmp_path, "euw1", "use1")), None).context == "euw1"


def test_without_a_file_those_of_the_environment_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_kubeconfig(tmp_path, "use1", file="first", server="https://first:6443")
    second = write_kubeconfig(tmp_path, "use1", "usw2", file="second", server="https://second:6443")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'absent'}:{second}")

    assert select(None, "usw2").server == "https://second:6443"
    assert select(None, "use1").server == "https://first:6443", "of two entries with one name the first counts"
    assert select(None, None).context == "use1"


def test_without_any_file_the_context_is_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(KubeconfigError, match=r"there is no kubeconfig at .*/absent") as caught:
        select(None, "use1")
    assert caught.value.key == "context"


def _without_server(document: dict) -> None:
    document["clusters"] = []


def _without_current(document: dict) -> None:
    del document["current-context"]


@pytest.mark.parametrize(
    ("change", "context", "what"),
    [
        (_without_server, "use1", r"context `use1` of .* names the cluster `use1`, which has no server there"),
        (_without_current, None, "has no current context"),
        (lambda document: document.update(contexts=[]), "use1", "has no context `use1`"),
        (lambda document: document.pop("contexts"), "use1", "is not a kubeconfig: it has no `contexts`"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_told(
    tmp_path: Path, change: object, context: str | None, what: str
) -> None:
    path = write_kubeconfig(tmp_path)
    document = yaml.safe_load(path.read_text())
    change(document)  # pyright: ignore[reportCallIssue]
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(KubeconfigError, match=what):
        select(str(path), context)


def test_a_file_that_is_not_yaml_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("token: 'secret-token\n")
    with pytest.raises(KubeconfigError) as caught:
        select(str(path), None)
    assert caught.value.what == f"{path} cannot be read: it is not YAML"
