"""Every cluster is read by every other one, with a token that can be rotated."""

import base64
from itertools import permutations
from pathlib import Path

import pytest
import yaml

from components.config import StackConfig
from components.trust import RemoteSecrets
from components.trust.remote_secrets import kubeconfig
from tests import builders, mocks, rooms

NAMES = ("use1", "usw2", "euc1")
PAIRS = tuple(permutations(NAMES, 2))


def remote_secrets(config: StackConfig) -> mocks.Recording:
    def program() -> None:
        mesh = rooms.mesh(config)
        RemoteSecrets(
            "remote",
            config.trust.remote_tokens,
            clusters=mesh.clusters,
            control_planes=mesh.control_planes,
            gateways={name: gateway.east_west_ready for name, gateway in mesh.gateways.items()},
        )

    return mocks.run(program)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> mocks.Recording:
    return remote_secrets(builders.stack_config(tmp_path_factory.mktemp("stack"), NAMES))


def test_every_ordered_pair_has_one_remote_secret_and_every_cluster_one_token(done: mocks.Recording) -> None:
    made = {name for name in done.names if name.startswith("remote-")}
    assert made == {f"remote-token-{name}" for name in NAMES} | {f"remote-{read}-in-{peer}" for read, peer in PAIRS}


@pytest.mark.parametrize(("read", "peer"), PAIRS)
def test_a_remote_secret_is_what_istiod_looks_for(done: mocks.Recording, read: str, peer: str) -> None:
    secret = done.named(f"remote-{read}-in-{peer}")
    assert secret.provider == f"{peer}-provider", "it lies in the peer that reads"
    assert secret.inputs["metadata"] == {
        "name": f"istio-remote-secret-{read}",
        "namespace": "istio-system",
        "labels": {"istio/multiCluster": "true"},
        "annotations": {"networking.istio.io/cluster": read},
    }
    assert list(secret.inputs["data"]) == [read], "the key is the cluster's name, or istiod knows it by another"
    number = NAMES.index(read) + 1
    assert yaml.safe_load(base64.b64decode(secret.inputs["data"][read])) == {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": read,
                "cluster": {
                    "server": f"https://192.0.2.{number}:6443",
                    "certificate-authority-data": base64.b64encode(f"ca-of-remote-token-{read}".encode()).decode(),
                },
            }
        ],
        "users": [{"name": read, "user": {"token": f"token-of-remote-token-{read}"}}],
        "contexts": [{"name": read, "context": {"cluster": read, "user": read}}],
        "current-context": read,
    }


def test_tokens_are_never_in_plain_in_the_state(done: mocks.Recording) -> None:
    for read, peer in PAIRS:
        assert "data" in done.named(f"remote-{read}-in-{peer}").secrets
    for name in NAMES:
        assert "data" in done.named(f"remote-token-{name}").additional_secret_outputs


@pytest.mark.parametrize(("read", "peer"), PAIRS)
def test_a_remote_secret_waits_for_the_gateway_of_the_cluster_that_is_read_and_for_no_other(
    done: mocks.Recording, read: str, peer: str
) -> None:
    """An endpoint of a network without a known gateway is taken for directly reachable, and requests hang."""
    waited_for = done.named(f"remote-{read}-in-{peer}").dependencies
    assert {name for name in waited_for if "-gateways-" in name} == {f"{read}-gateways-east-west"}
    assert f"{peer}-mesh-istiod-1-31" in waited_for


def test_a_token_waits_for_the_account_that_it_is_of(done: mocks.Recording) -> None:
    token = done.named("remote-token-use1")
    assert token.inputs["type"] == "kubernetes.io/service-account-token"
    assert token.inputs["metadata"]["annotations"] == {
        "kubernetes.io/service-account.name": "istio-reader-service-account"
    }
    assert "use1-mesh-base" in token.dependencies, "the chart base makes the account"
    assert "use1-mesh-istiod-1-31" in token.dependencies, "the chart istiod gives it its role"


def test_a_raised_generation_gives_the_tokens_another_name_and_the_pairs_the_same(
    done: mocks.Recording, tmp_path: Path
) -> None:
    """Another name is what makes the engine create the new token before it deletes the old one."""
    trust = {"trustDomain": "exam-platform.local", "remoteTokens": {"generation": 2}}
    raised = remote_secrets(builders.stack_config(tmp_path, NAMES, trust=trust))
    assert done.named("remote-token-use1").inputs["metadata"]["name"] == "istio-reader-token-1"
    assert raised.named("remote-token-use1").inputs["metadata"]["name"] == "istio-reader-token-2"
    before, after = (run.named("remote-use1-in-usw2").inputs["metadata"] for run in (done, raised))
    assert before == after, "updated in place: a missing remote secret would take the endpoints away"


def test_one_cluster_alone_has_no_peer(tmp_path: Path) -> None:
    alone = remote_secrets(builders.stack_config(tmp_path, ("use1",)))
    assert [name for name in alone.names if "-in-" in name] == []


def test_a_kubeconfig_holds_everything_inline() -> None:
    """istiod refuses paths, exec plugins and token files in a remote secret."""
    text = kubeconfig("use1", server="https://a:6443", token_data={"ca.crt": "Y2E=", "token": "dG9rZW4="})
    for refused in ("exec", "tokenFile", "certificate-authority:", "client-key"):
        assert refused not in text
