"""A remote cluster: everything that leads to the primary's istiod, in the right order, and no istiod."""

import base64
import json
import runpy
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pulumi
import pytest
import yaml

from components.clusters.api import Unreachable
from components.config.kubeconfig import KubeconfigError
from components.mesh import injection
from components.mesh.control_plane import _present  # pyright: ignore[reportPrivateUsage]
from tests import mocks
from tests.builders import Yaml, put, stack

PROGRAM = Path(__file__).parents[2] / "__main__.py"
NAMES = ("use1", "usw2", "euc1", "apse1")

# The namespaces and services of `test_services.py`, in short: web runs in use1, api and store in usw2.
SERVICES: Yaml = {
    "exam/web": {"ports": {"http": 8080}, "regions": ["use1"], "hosts": ["exam-platform.com"]},
    "exam/api": {"ports": {"http": 8080}, "regions": ["usw2"], "callers": ["exam/web"], "stream": True},
    "results/store": {"ports": {"tcp": 5432}, "regions": ["usw2"], "callers": ["exam/api"]},
}
EGRESS: Yaml = {"mail": {"hosts": ["mail.com"], "ports": {"https": 443}, "callers": ["exam/web", "results/store"]}}
LEGACY: Yaml = {"permissive": [{"namespace": "legacy", "workload": {"app": "legacy"}, "ports": [8081]}]}


def run(folder: Path, primaries: dict[str, str], clusters: tuple[str, ...], **changes: Any) -> mocks.Recording:
    """The whole program, with the primary of each remote cluster."""
    values = stack(folder, clusters, **changes)
    for remote, primary in primaries.items():
        put(values, f"clusters.{clusters.index(remote)}.primary", primary)
    return mocks.run(lambda: runpy.run_path(str(PROGRAM), run_name="__main__"), config=values)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> mocks.Recording:
    folder = tmp_path_factory.mktemp("stack")
    return run(folder, {"usw2": "use1"}, NAMES[:2], services=SERVICES, egress=EGRESS, security=LEGACY)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> mocks.Recording:
    """Two primaries with a remote each, the remotes first in the file."""
    names = ("euc1", "apse1", "use1", "usw2")
    return run(tmp_path_factory.mktemp("stack"), {"euc1": "use1", "apse1": "usw2"}, names)


def made(done: mocks.Recording, cluster: str) -> set[str]:
    """Istio's objects in a cluster, as `Kind namespace/name`."""
    return {
        f"{found.type.rpartition(':')[2]} {found.inputs['metadata']['namespace']}/{found.inputs['metadata']['name']}"
        for found in done.resources
        if found.provider == f"{cluster}-provider" and ".istio.io/" in found.type
    }


def waits_for(done: mocks.Recording, name: str) -> set[str]:
    """Everything that has to be there before a resource, however far back."""
    found: set[str] = set()
    ahead = {name}
    while ahead:
        ahead = {before for made in done.resources if made.name in ahead for before in made.dependencies} - found
        found |= ahead
    return found


def test_a_remote_cluster_has_no_authority_and_no_istiod(done: mocks.Recording) -> None:
    assert "use1-control-plane-cacerts" in done.names
    assert "usw2-control-plane-cacerts" not in done.names
    assert [name for name in done.names if "intermediate" in name] == ["trust-intermediate-use1"]


def test_the_namespace_names_the_primary_and_keeps_its_network(done: mocks.Recording) -> None:
    metadata = done.named("usw2-control-plane-namespace").inputs["metadata"]
    assert metadata["annotations"] == {"topology.istio.io/controlPlaneClusters": "use1"}
    assert metadata["labels"]["topology.istio.io/network"] == "usw2"
    assert "annotations" not in done.named("use1-control-plane-namespace").inputs["metadata"]


def test_istiods_chart_is_all_but_istiod(done: mocks.Recording) -> None:
    east_west = done.outputs["clusters"]["use1"]["eastWest"]["address"]
    assert done.named("usw2-control-plane-istiod-1-31").inputs["values"] == yaml.safe_load(f"""
        profile: remote
        revision: 1-31
        istiodRemote: {{injectionPath: /inject/cluster/usw2/net/usw2}}
        configMap: true
        meshConfig:
          trustDomain: exam-platform.local
          defaultConfig: {{discoveryAddress: "istiod-1-31.istio-system.svc:15012"}}
        global:
          enableReaderRBAC: true
          meshID: exam
          network: usw2
          multiCluster: {{clusterName: usw2}}
          remotePilotAddress: {east_west}
    """)


def test_the_validation_webhook_knows_the_primary_by_the_roots(done: mocks.Recording) -> None:
    values = done.named("usw2-control-plane-base").inputs["values"]
    bundle = values.pop("base").pop("validationCABundle")
    assert base64.b64decode(bundle).decode() == done.outputs["mesh"]["rootCertificates"]
    assert values == {"profile": "remote", "defaultRevision": "1-31", "global": {"enableReaderRBAC": True}}
    assert "base" not in done.named("use1-control-plane-base").inputs["values"]


def test_only_a_primary_with_remotes_gives_other_clusters_roots_and_certificates(two: mocks.Recording) -> None:
    for name in ("use1", "usw2"):
        assert two.named(f"{name}-control-plane-istiod-1-31").inputs["values"]["global"]["externalIstiod"] is True
    for name in ("euc1", "apse1"):
        assert "externalIstiod" not in two.named(f"{name}-control-plane-istiod-1-31").inputs["values"]["global"]


def test_the_primarys_gateway_has_a_port_for_load_balancers_with_a_name(done: mocks.Recording) -> None:
    values = done.named("use1-gateways-east-west").inputs["values"]
    of_others = done.named("usw2-gateways-east-west").inputs["values"]
    assert "networkGateway" not in values
    assert values["labels"] == {"topology.istio.io/network": "use1"}
    assert values["env"] == {**of_others["env"], "ISTIO_META_REQUESTED_NETWORK_VIEW": "use1"}
    assert {(p["name"], p["port"], p["targetPort"]) for p in values["service"]["ports"]} == {
        ("status-port", 15021, 15021),
        ("tls", 15443, 15443),
        ("tls-istiod", 15012, 15012),
        ("tls-webhook", 15017, 15017),
        ("https-webhook", 443, 15017),
    }
    assert of_others["networkGateway"] == "usw2"


def test_istiod_is_passed_on_unopened_by_its_name_alone_at_the_primarys_gateway_alone(done: mocks.Recording) -> None:
    gateway = done.named("use1-istiod-gateway-istio-system.istiod-gateway", "Gateway").inputs["spec"]
    host = "istiod-1-31.istio-system.svc"
    assert gateway == yaml.safe_load(f"""
        selector: {{istio: eastwestgateway, topology.istio.io/network: use1}}
        servers:
          - {{port: {{number: 15012, name: tls-istiod, protocol: TLS}}, hosts: [{host}], tls: {{mode: PASSTHROUGH}}}}
          - {{port: {{number: 15017, name: tls-webhook, protocol: TLS}}, hosts: [{host}], tls: {{mode: PASSTHROUGH}}}}
    """)
    route = done.named("use1-istiod-gateway-istio-system.istiod-gateway", "VirtualService").inputs["spec"]
    assert route == yaml.safe_load(f"""
        hosts: [{host}]
        gateways: [istiod-gateway]
        exportTo: [.]
        tls:
          - match: [{{port: 15012, sniHosts: [{host}]}}]
            route: [{{destination: {{host: {host}.cluster.local, port: {{number: 15012}}}}}}]
          - match: [{{port: 15017, sniHosts: [{host}]}}]
            route: [{{destination: {{host: {host}.cluster.local, port: {{number: 443}}}}}}]
    """)


def test_the_primary_reads_its_remote_before_anything_there_needs_it(done: mocks.Recording) -> None:
    token = done.named("usw2-control-plane-token")
    assert "usw2-control-plane-istiod-1-31" in token.dependencies, "the chart gives the account its rights"
    secret = done.named("usw2-control-plane-in-use1")
    assert secret.provider == "use1-provider"
    assert secret.inputs["metadata"] == {
        "name": "istio-remote-secret-usw2",
        "namespace": "istio-system",
        "labels": {"istio/multiCluster": "true"},
        "annotations": {"networking.istio.io/cluster": "usw2"},
    }
    assert "usw2-control-plane-namespace" in waits_for(done, secret.name), "istiod looks for its name there, once"
    assert not {name for name in waits_for(done, secret.name) if name.startswith("usw2-gateways")}
    assert {"data"} <= secret.secrets


@pytest.mark.parametrize("name", ["usw2-gateways-ingress", "usw2-gateways-east-west", "usw2-namespaces-exam"])
def test_nothing_is_injected_before_the_primarys_istiod_answers(done: mocks.Recording, name: str) -> None:
    assert "usw2-control-plane-injection" in done.named(name).dependencies
    assert {
        "use1-control-plane-istiod-1-31",
        "use1-gateways-east-west",
        "use1-istiod-gateway-istio-system.istiod-gateway",
        "usw2-control-plane-in-use1",
    } <= waits_for(done, name)


def test_what_istio_is_told_of_a_remote_cluster_it_is_told_in_the_primary(done: mocks.Recording) -> None:
    assert made(done, "usw2") == set()
    assert made(done, "use1") == {
        "PeerAuthentication istio-system/default",
        "PeerAuthentication legacy/permissive-legacy-" + policy_digest(done),
        "Telemetry istio-system/mesh",
        "ServiceEntry istio-system/mail",
        "Gateway istio-system/cross-network-gateway",
        "Gateway istio-system/istiod-gateway",
        "Gateway istio-ingress/ingress",
        "VirtualService istio-system/istiod-gateway",
        "VirtualService istio-ingress/exam-platform.com",
        *(f"VirtualService exam/{name}" for name in ("web", "api")),
        *(f"DestinationRule {name}" for name in SERVICES),
        *(f"AuthorizationPolicy {name}" for name in ("exam/default.deny", "results/default.deny", *SERVICES)),
        *(f"Sidecar {name}" for name in ("exam/default", "results/default", *(f"{name}.scope" for name in SERVICES))),
        "EnvoyFilter exam/api.stream-idle",
    }


def policy_digest(done: mocks.Recording) -> str:
    (name,) = [name for name in made(done, "use1") if "permissive-" in name]
    return name.rpartition("-")[2]


def test_an_external_service_is_shown_to_the_callers_of_both_clusters(done: mocks.Recording) -> None:
    assert done.named("use1-egress-istio-system.mail").inputs["spec"]["exportTo"] == ["exam", "results"]


def test_namespaces_and_names_are_where_the_pods_are(done: mocks.Recording) -> None:
    found = {
        cluster: {
            r.inputs["metadata"]["name"] for r in done.of_type("Namespace") if r.provider == f"{cluster}-provider"
        }
        for cluster in ("use1", "usw2")
    }
    mesh = {"istio-system", "istio-ingress", "legacy"}
    # `results` runs in usw2 alone, and its policies lie in use1.
    assert found == {"use1": mesh | {"exam", "results"}, "usw2": mesh | {"exam", "results"}}
    stubs = {r.name for r in done.of_type("Service") if "-scopes-" in r.name}
    assert stubs == {"use1-scopes-exam.api", "usw2-scopes-exam.web"}


def test_the_certificates_of_hosts_are_at_the_remote_ingress_too(tmp_path: Path) -> None:
    servers = [{"hosts": ["exam-platform.com"], "tls": {"generated": {}}}]
    found = run(tmp_path, {"usw2": "use1"}, NAMES[:2], gateways={"ingress": {"servers": servers}})
    for cluster in ("use1", "usw2"):
        assert found.named(f"{cluster}-ingress-tls.exam-platform.com").provider == f"{cluster}-provider"


def test_a_stack_of_clusters_alone_puts_everything_into_the_primary_too(two: mocks.Recording) -> None:
    assert made(two, "euc1") == made(two, "apse1") == set()
    for primary in ("use1", "usw2"):
        assert made(two, primary) == {
            "PeerAuthentication istio-system/default",
            "Gateway istio-system/cross-network-gateway",
            "Gateway istio-system/istiod-gateway",
            "Gateway istio-ingress/ingress",
            "VirtualService istio-system/istiod-gateway",
        }


def test_every_control_plane_reads_all_other_clusters_and_no_remote_reads_any(two: mocks.Recording) -> None:
    secrets = {
        (
            found.inputs["metadata"]["name"].removeprefix("istio-remote-secret-"),
            str(found.provider)[: -len("-provider")],
        )
        for found in two.of_type("Secret")
        if found.inputs["metadata"]["name"].startswith("istio-remote-secret-")
    }
    assert secrets == {(read, peer) for read in NAMES for peer in ("use1", "usw2") if read != peer}
    tokens = {found.name for found in two.of_type("Secret") if found.inputs["type"].endswith("service-account-token")}
    assert tokens == {
        *("remote-token-use1", "remote-token-usw2", "euc1-control-plane-token", "apse1-control-plane-token")
    }, "one for each"
    content = two.named("remote-euc1-in-usw2").inputs["data"]["euc1"]
    assert yaml.safe_load(base64.b64decode(content))["users"][0]["user"]["token"] == "token-of-euc1-control-plane-token"


def test_another_control_plane_waits_for_a_remotes_gateway_and_what_that_serves(two: mocks.Recording) -> None:
    before = two.named("remote-euc1-in-usw2").dependencies
    assert {"euc1-gateways-east-west", "use1-cross-network-gateway"} <= before
    assert "usw2-control-plane-istiod-1-31" in before


def objects(done: mocks.Recording) -> dict[tuple[str, str], mocks.Registered]:
    """Objects of Kubernetes by cluster and name there; what is made anew under it is the same object."""
    return {
        (str(found.provider), f"{found.type} {metadata.get('namespace')}/{metadata['name']}"): found
        for found in done.resources
        if (metadata := found.inputs.get("metadata")) and found.provider
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"usw2": "use1"}),
        ({"usw2": "use1"}, {}),
        ({"usw2": "use1"}, {"usw2": "euc1"}),
    ],
    ids=["a primary becomes a remote", "a remote becomes a primary", "a remote gets another primary"],
)
def test_no_object_is_made_anew_and_then_taken_away(
    tmp_path: Path, before: dict[str, str], after: dict[str, str]
) -> None:
    folders = [tmp_path / "before", tmp_path / "after"]
    for folder in folders:
        folder.mkdir()
    old, new = (
        objects(run(folder, primaries, NAMES[:3], services=SERVICES))
        for folder, primaries in zip(folders, (before, after), strict=True)
    )
    both = old.keys() & new.keys()
    assert ("use1-provider", "kubernetes:core/v1:Secret istio-system/istio-remote-secret-usw2") in both
    for key in both:
        known_as = {(new[key].name, new[key].parent)} | {
            (alias.spec.name, alias.spec.parentUrn.rpartition("::")[2]) for alias in new[key].options.aliases
        }
        assert (old[key].name, old[key].parent) in known_as, key


def test_nobody_reads_the_only_primary(done: mocks.Recording) -> None:
    assert [found.name for found in done.of_type("Secret") if "remote-" in found.name] == []


def test_a_remote_cluster_is_shown_with_its_primary_and_its_signers_end(done: mocks.Recording) -> None:
    clusters = done.outputs["clusters"]
    assert clusters["usw2"]["primary"] == "use1"
    assert "primary" not in clusters["use1"]
    assert clusters["usw2"]["authorityExpiry"] == clusters["use1"]["authorityExpiry"]


def test_a_preview_of_nothing_shows_it_all(tmp_path: Path) -> None:
    values = put(stack(tmp_path, services=SERVICES), "clusters.1.primary", "use1")
    shown = mocks.run(lambda: runpy.run_path(str(PROGRAM), run_name="__main__"), config=values, preview=True)
    assert "usw2-gateways-east-west" in shown.names


def test_a_gateway_without_an_address_is_no_way_to_istiod() -> None:
    assert _present("192.0.2.1", "use1") == "192.0.2.1"
    with pytest.raises(pulumi.RunError, match="east-west gateway of use1 has no address"):
        _present("", "use1")


# The first answer of the webhook.

# pyright: reportPrivateUsage=false
PROVIDER = injection._InjectionProvider()
PROPERTIES = {
    "kubeconfig": "/some/kubeconfig",
    "context": "usw2",
    "cluster": "usw2",
    "primary": "use1",
    "revision": "1-31",
}
BARE = {"spec": {"containers": [{"name": "none"}]}}
INJECTED = {"spec": {"containers": [{"name": "none"}], "initContainers": [{"name": "istio-proxy"}]}}


class Api:
    """An API server that answers these, one after the other; the last one again and again."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def create(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((path, content))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injection, "INTERVAL", 0.001)
    monkeypatch.setattr(injection, "PATIENCE", 0.05)


def test_a_pod_is_tried_until_it_is_injected_and_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injection, "PATIENCE", 30.0)
    api = Api(Unreachable("answers 500 to it", "See its logs"), BARE, INJECTED)
    with patch.object(injection, "connect", return_value=api) as connect:
        assert PROVIDER.create(PROPERTIES).id == "injection"
    connect.assert_called_with("/some/kubeconfig", "usw2")
    assert len(api.asked) == 3
    path, pod = api.asked[0]
    assert path == "/api/v1/namespaces/istio-system/pods?dryRun=All"
    assert pod["metadata"]["labels"] == {"istio.io/rev": "1-31", "sidecar.istio.io/inject": "true"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Unreachable("answers 500 to it (failed calling webhook)", "-"), "the API server answers 500 to it (failed "),
        (BARE, "the pod was admitted without a proxy"),
        (KubeconfigError("kubeconfig", "there is no file gone", "Mend the path"), "there is no file gone"),
    ],
)
@pytest.mark.parametrize("verb", ["create", "update"])
def test_an_istiod_that_does_not_answer_is_told_with_its_cluster(answer: Any, said: str, verb: str) -> None:
    with patch.object(injection, "connect", return_value=Api(answer)), pytest.raises(RuntimeError) as caught:
        PROVIDER.create(PROPERTIES) if verb == "create" else PROVIDER.update("injection", PROPERTIES, PROPERTIES)
    told = str(caught.value)
    assert told.startswith(f"cluster `usw2`: the istiod of `use1` did not inject a pod within 0.05 s: {said}")
    assert "15012 and 15017" in told


def test_it_is_asked_again_where_another_istiod_or_cluster_is_meant() -> None:
    assert not PROVIDER.diff("injection", PROPERTIES, PROPERTIES).changes
    for key in ("kubeconfig", "context", "primary", "revision"):
        assert PROVIDER.diff("injection", PROPERTIES, PROPERTIES | {key: "other"}).changes
    json.dumps(PROPERTIES)
