"""Asking an API server who it is, over real TLS."""

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.clusters import api
from components.clusters.api import (
    Identity,
    Missing,
    Silent,
    Unreachable,
    connect,
    has_metrics,
    has_namespace,
    identify,
)
from tests.builders import authority
from tests.clusters.conftest import TOKEN, ApiServer, kubeconfig

PATH = "/api/v1/namespaces/kube-system"


def asked(folder: Path, server: str, user: dict[str, Any] | None = None, **changes: str) -> Identity:
    return identify(kubeconfig(folder, server, {"token": TOKEN} if user is None else user, **changes), "use1")


def refusal(folder: Path, server: str, user: dict[str, Any] | None = None, **changes: str) -> tuple[str, str]:
    with pytest.raises(Unreachable) as caught:
        asked(folder, server, user, **changes)
    return caught.value.cause, caught.value.cure


def test_it_says_its_version_and_its_identity(api_server: ApiServer, tmp_path: Path) -> None:
    assert asked(tmp_path, api_server.address) == Identity(version="v1.35.4", uid="d2fcc802")


def test_it_says_whether_there_is_a_namespace(api_server: ApiServer, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, api_server.address, {"token": TOKEN})
    assert not has_namespace(path, "use1", "istio-system")
    api_server.namespaces["istio-system"] = {}
    assert has_namespace(path, "use1", "istio-system")


def test_it_says_whether_there_are_figures_of_pods(api_server: ApiServer, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, api_server.address, {"token": TOKEN})
    assert has_metrics(path, "use1")
    api_server.answers["/apis/metrics.k8s.io/v1beta1"] = 404
    assert not has_metrics(path, "use1")


def test_a_kubeconfig_may_be_given_as_its_text(api_server: ApiServer, tmp_path: Path) -> None:
    """Of a cluster that the stack makes there is no file."""
    text = Path(kubeconfig(tmp_path, api_server.address, {"token": TOKEN})).read_text()
    assert identify(json.dumps({**yaml.safe_load(text), "current-context": "use1"}), None).uid == "d2fcc802"


def test_a_token_may_come_from_a_file(api_server: ApiServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    assert asked(tmp_path, api_server.address, {"tokenFile": str(tmp_path / "token")}).uid == "d2fcc802"


def test_a_token_may_come_from_a_command_as_on_eks(api_server: ApiServer, tmp_path: Path) -> None:
    script = (
        "import json, os; info = json.loads(os.environ['KUBERNETES_EXEC_INFO']);"
        "print(json.dumps({'apiVersion': info['apiVersion'], 'status': {'token': os.environ['GIVEN']}}))"
    )
    user = {"exec": {"command": sys.executable, "args": ["-c", script], "env": [{"name": "GIVEN", "value": TOKEN}]}}
    assert asked(tmp_path, api_server.address, user).uid == "d2fcc802"


def test_a_command_that_fails_is_quoted(api_server: ApiServer, tmp_path: Path) -> None:
    user = {"exec": {"command": sys.executable, "args": ["-c", "raise SystemExit('no credentials here')"]}}
    cause, cure = refusal(tmp_path, api_server.address, user)
    assert cause == f"was not asked: `{sys.executable}` failed and said: no credentials here"
    assert cure == "Log in with it"


def test_a_command_that_is_not_there_is_named(api_server: ApiServer, tmp_path: Path) -> None:
    cause, cure = refusal(tmp_path, api_server.address, {"exec": {"command": "no-such-command"}})
    assert cause == "was not asked: `no-such-command` gave no credential (FileNotFoundError)"
    assert cure == "Install it and log in with it"


@pytest.mark.parametrize("user", [{"token": "wrong"}, {}], ids=["wrong token", "no credentials"])
def test_refused_credentials_are_told_although_the_version_is_open(
    api_server: ApiServer, tmp_path: Path, user: dict[str, Any]
) -> None:
    assert refusal(tmp_path, api_server.address, user) == (
        "refuses the credentials (401)",
        "Renew the kubeconfig's credentials",
    )


def test_missing_rights_are_told(api_server: ApiServer, tmp_path: Path) -> None:
    api_server.answers[PATH] = 403
    assert refusal(tmp_path, api_server.address) == (
        f"knows the credentials and forbids them {PATH} (403)",
        "Give them the rights of cluster-admin",
    )


@pytest.mark.parametrize("status", [403, 422, 500])
def test_why_an_object_is_refused_is_told(api_server: ApiServer, tmp_path: Path, status: int) -> None:
    api_server.answers[PATH] = status
    path = kubeconfig(tmp_path, api_server.address, {"token": TOKEN})
    with pytest.raises(Unreachable) as caught:
        connect(path, "use1").create(PATH, {"kind": "Pod"})
    assert caught.value.cause.endswith(f" (said with {status})")


def test_an_unhealthy_server_is_told(api_server: ApiServer, tmp_path: Path) -> None:
    api_server.answers[PATH] = 503
    assert refusal(tmp_path, api_server.address)[0] == f"answers 503 to {PATH}"


def test_what_is_not_there_and_what_does_not_answer_can_be_told_apart(api_server: ApiServer, tmp_path: Path) -> None:
    api_server.answers[PATH] = 404
    with pytest.raises(Missing):
        asked(tmp_path, api_server.address)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"https://localhost:{free.getsockname()[1]}"
    with pytest.raises(Silent):
        asked(tmp_path, address)


def test_a_certificate_of_another_authority_is_told(api_server: ApiServer, tmp_path: Path) -> None:
    cause, cure = refusal(tmp_path, api_server.address, root=authority("Other").certificate)
    assert cause.startswith("shows a certificate that the kubeconfig does not trust (")
    assert cure == "Renew the kubeconfig: it is of another cluster, or of this one before it was rebuilt"


def test_a_server_that_is_down_is_told(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"https://localhost:{free.getsockname()[1]}"
    assert refusal(tmp_path, address) == (
        "does not answer (connection refused)",
        "Start the cluster, or mend its address in the kubeconfig",
    )


def test_a_server_that_says_nothing_is_not_waited_for(
    api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "TIMEOUT", 0.2)
    api_server.silent.set()
    assert refusal(tmp_path, api_server.address)[0] == "does not answer within 0.2 s"


def test_certificates_that_cannot_be_read_are_told(api_server: ApiServer, tmp_path: Path) -> None:
    assert refusal(tmp_path, api_server.address, root="no certificate")[0] == (
        "was not asked: the kubeconfig's certificates cannot be read"
    )
