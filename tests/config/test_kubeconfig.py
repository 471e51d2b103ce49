"""A kubeconfig is read as kubectl reads it."""

import base64
from pathlib import Path

import pytest
import yaml

from components.config.kubeconfig import KubeconfigError, Selected, select
from tests.builders import authority, write_kubeconfig


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


def _selected(tmp_path: Path, **cluster: str) -> Selected:
    path = write_kubeconfig(tmp_path, "use1")
    document = yaml.safe_load(path.read_text())
    document["clusters"][0]["cluster"] = {"server": "https://192.0.2.1:6443", **cluster}
    path.write_text(yaml.safe_dump(document))
    return select(str(path), "use1")


def test_the_authority_is_the_certificates_alone_wherever_they_are(tmp_path: Path) -> None:
    certificate = authority().certificate
    commented = "# made by a tool\n" + certificate.replace("\n", "\r\n") + "\nSubject: CN=Root\n"
    file = tmp_path / "ca.crt"
    file.write_text(commented)
    encoded = base64.b64encode(commented.encode()).decode()
    assert _selected(tmp_path, **{"certificate-authority-data": encoded}).authority == certificate
    assert _selected(tmp_path, **{"certificate-authority": str(file)}).authority == certificate
    assert _selected(tmp_path).authority is None


def test_an_authority_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    selected = _selected(tmp_path, **{"certificate-authority": str(tmp_path / "absent.crt")})
    with pytest.raises(KubeconfigError, match=r"names the authority .*/absent.crt, which cannot be read"):
        _ = selected.authority


@pytest.mark.parametrize(
    ("user", "kind"),
    [
        ({"token": "a"}, "token"),
        ({"tokenFile": "a"}, "token"),
        ({"client-certificate-data": "a", "client-key-data": "b"}, "clientCertificate"),
        ({"client-certificate": "a", "client-key": "b"}, "clientCertificate"),
        ({"exec": {"command": "aws"}}, "exec"),
        ({"auth-provider": {"name": "oidc"}}, "other"),
        ({}, "other"),
    ],
)
def test_the_kind_of_login_is_said_and_none_of_it(user: dict[str, object], kind: str) -> None:
    assert Selected("file", "use1", "https://a", {}, user).authentication == kind
