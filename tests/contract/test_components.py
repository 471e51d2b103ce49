"""What helpers make in a consumer's clusters, and what they refuse before anything is made."""

import base64
import json
import sys
from pathlib import Path
from typing import Any, assert_type

import istio_mesh_contract
import istio_mesh_contract.components
import pulumi
import pytest
import yaml
from istio_mesh_contract import AwsIdentity, ClientCertificate, Command, ContractError, Mesh, MeshOutputs, Token
from istio_mesh_contract.credentials import Credentials
from istio_mesh_contract.model import ClusterOutputs, ServiceOutputs
from istio_mesh_contract.objects import LABELS

from components.config.platform import Service
from components.resources.routing import mesh_spec
from components.resources.traffic import destination_spec
from tests import mocks
from tests.builders import ABSENT, Yaml, put, stack_config
from tests.contract.consumers import STACK, entered, made, recorded, run

ISTIO = ("VirtualService", "DestinationRule", "AuthorizationPolicy", "PeerAuthentication")


def specs(recording: mocks.Recording, cluster: str = "use1") -> dict[str, Any]:
    """Istio's objects of one cluster as `namespace/name Kind: spec`."""
    return {
        f"{found.inputs['metadata']['namespace']}/{found.inputs['metadata']['name']} {kind}": found.inputs.get(
            "spec", {}
        )
        for kind in ISTIO
        for found in recording.of_type(kind)
        if found.provider == f"mesh-{cluster}"
    }


def test_a_namespace_is_injected_by_revision_and_lets_nobody_in() -> None:
    recording = made(lambda mesh: None)
    for cluster in ("use1", "usw2"):
        namespace = recording.named(f"shop-{cluster}")
        assert namespace.inputs["metadata"] == {"name": "shop", "labels": {"istio.io/rev": "1-31", **LABELS}}
        assert namespace.provider == f"mesh-{cluster}"
        assert specs(recording, cluster) == {
            "shop/default.deny AuthorizationPolicy": {},
            "shop/default PeerAuthentication": {"mtls": {"mode": "STRICT"}},
        }


def test_a_namespace_may_be_in_one_cluster_alone() -> None:
    def program() -> None:
        mesh = MeshOutputs.from_stack(STACK)
        mesh.namespace("shop", entered(mesh, "usw2"))

    assert {found.provider for found in run(program).of_type("Namespace")} == {"mesh-usw2"}


def test_a_whole_service_is_exposed_and_allowed() -> None:
    def use(mesh: Mesh) -> None:
        mesh.service("shop/catalogue", ports={"http": 8080})
        mesh.expose("shop.exam-platform.com", "shop/catalogue")
        mesh.allow("exam/web-frontend", "shop/catalogue")
        mesh.allow("shop/basket", "shop/catalogue")

    recording = made(use)
    expected = yaml.safe_load("""
        shop/default.deny AuthorizationPolicy: {}
        shop/default PeerAuthentication: {mtls: {mode: STRICT}}
        shop/catalogue DestinationRule:
          host: catalogue.shop.svc.cluster.local
          trafficPolicy:
            connectionPool:
              tcp: {maxConnections: 1024, connectTimeout: 5s, tcpKeepalive: {time: 60s}}
              http: &http {http1MaxPendingRequests: 256, http2MaxRequests: 1024, maxRetries: 3, idleTimeout: 60s}
            loadBalancer: &balancer {simple: LEAST_REQUEST}
            outlierDetection: &outliers
              {consecutive5xxErrors: 5, interval: 10s, baseEjectionTime: 30s, maxEjectionPercent: 100}
            portLevelSettings:
              - port: {number: 8080}
                connectionPool:
                  tcp:
                    {maxConnections: 1024, connectTimeout: 5s, tcpKeepalive: {time: 60s}, maxConnectionDuration: 60s}
                  http: *http
                loadBalancer: *balancer
                outlierDetection: *outliers
        shop/catalogue VirtualService:
          hosts: [catalogue.shop.svc.cluster.local]
          http:
            - route: [{destination: {host: catalogue.shop.svc.cluster.local}}]
              timeout: 15s
              retries: &safe
                attempts: 2
                retryOn: connect-failure,refused-stream,reset-before-request
                retryRemoteLocalities: true
        shop/catalogue.shop.exam-platform.com VirtualService:
          hosts: [shop.exam-platform.com]
          gateways: [istio-ingress/ingress]
          exportTo: [istio-ingress]
          http:
            - route: [{destination: {host: catalogue.shop.svc.cluster.local, port: {number: 8080}}}]
              timeout: 15s
              retries: *safe
        shop/catalogue.shop.exam-platform.com AuthorizationPolicy:
          selector: {matchLabels: {app: catalogue}}
          action: ALLOW
          rules: [{from: [{source: {principals: [exam-platform.local/ns/istio-ingress/sa/istio-ingress]}}]}]
        shop/catalogue.from.exam.web-frontend AuthorizationPolicy:
          selector: {matchLabels: {app: catalogue}}
          action: ALLOW
          rules: [{from: [{source: {principals: [exam-platform.local/ns/exam/sa/web-frontend]}}]}]
        shop/catalogue.from.shop.basket AuthorizationPolicy:
          selector: {matchLabels: {app: catalogue}}
          action: ALLOW
          rules: [{from: [{source: {principals: [exam-platform.local/ns/shop/sa/basket]}}]}]
    """)
    assert specs(recording, "use1") == expected
    assert specs(recording, "usw2") == expected
    assert all(found.inputs["metadata"]["labels"] == LABELS for kind in ISTIO for found in recording.of_type(kind))


REGIONS = {"use1": "us-east-1", "usw2": "us-west-2"}


def platforms_own(folder: Path, ports: dict[str, int]) -> Service:
    theirs = stack_config(folder, tuple(REGIONS), services={"shop/catalogue": {"ports": ports}}, gateways={})
    (service,) = theirs.platform.services.values()
    return service


@pytest.mark.parametrize(
    "ports",
    [{"http": 8080}, {"tcp": 9000}, {"tcp": 9000, "grpc": 9090, "http": 8080}],
    ids=lambda ports: "-".join(ports),
)
def test_callers_treat_it_as_the_platforms_own_services(tmp_path: Path, ports: dict[str, int]) -> None:
    """One mesh, one way to treat a service: a default that changes there is to change here."""
    service = platforms_own(tmp_path, ports)
    ours = specs(made(lambda mesh: mesh.service("shop/catalogue", ports=ports)))
    assert ours["shop/catalogue DestinationRule"] == destination_spec(service, REGIONS)


def test_in_one_cluster_alone_too(tmp_path: Path) -> None:
    service = platforms_own(tmp_path, {"http": 8080})

    def program() -> None:
        mesh = MeshOutputs.from_stack(STACK)
        mesh.namespace("shop", entered(mesh, "usw2"))
        mesh.service("shop/catalogue", ports={"http": 8080})

    found = specs(run(program), "usw2")["shop/catalogue DestinationRule"]
    assert found == destination_spec(service, {"usw2": "us-west-2"})


def test_routes_are_those_of_the_platforms_own_services(tmp_path: Path) -> None:
    service = platforms_own(tmp_path, {"http": 8080})
    ours = specs(made(lambda mesh: mesh.service("shop/catalogue", ports={"http": 8080})))
    (route,) = mesh_spec(service)["http"]
    del route["name"]
    assert ours["shop/catalogue VirtualService"] == {"hosts": [service.host], "http": [route]}


def test_a_service_says_its_pods_its_account_and_its_time_out() -> None:
    def use(mesh: Mesh) -> None:
        basket = mesh.service(
            "shop/basket", ports={"grpc": 9090}, workload={"tier": "back"}, account="runner", timeout="2s"
        )
        catalogue = mesh.service("shop/catalogue", ports={"http": 8080, "http-admin": 8081, "tcp": 9000})
        mesh.allow(basket, catalogue)
        mesh.allow(catalogue, basket)
        mesh.expose(
            "shop.exam-platform.com", catalogue, port="http-admin", paths=["/shop", "/shop/admin/*"], timeout="1s"
        )

    found = specs(made(use))
    principal = "exam-platform.local/ns/shop/sa/runner"
    assert found["shop/catalogue.from.shop.basket AuthorizationPolicy"]["rules"] == [
        {"from": [{"source": {"principals": [principal]}}]}
    ]
    assert found["shop/basket.from.shop.catalogue AuthorizationPolicy"]["selector"] == {"matchLabels": {"tier": "back"}}
    assert [route["timeout"] for route in found["shop/basket VirtualService"]["http"]] == ["2s"]
    host = "catalogue.shop.svc.cluster.local"
    # A service of several ports needs the port at each destination, or istioctl refuses to guess (IST0112).
    assert [(route["match"], route["route"]) for route in found["shop/catalogue VirtualService"]["http"]] == [
        ([{"port": port}], [{"destination": {"host": host, "port": {"number": port}}}]) for port in (8080, 8081)
    ]
    (public,) = found["shop/catalogue.shop.exam-platform.com VirtualService"]["http"]
    assert public["match"] == [
        {"uri": {"exact": "/shop/admin"}},
        {"uri": {"prefix": "/shop/admin/"}},
        {"uri": {"exact": "/shop"}},
    ]
    assert (public["route"], public["timeout"]) == ([{"destination": {"host": host, "port": {"number": 8081}}}], "1s")


def test_a_service_without_requests_has_no_route() -> None:
    found = specs(made(lambda mesh: mesh.service("shop/store", ports={"tcp-postgres": 5432})))
    assert "shop/store DestinationRule" in found
    assert "shop/store VirtualService" not in found


def test_a_service_of_the_platform_that_is_offered_needs_nothing_more() -> None:
    before = made(lambda mesh: None)
    after = made(lambda mesh: mesh.allow("shop/catalogue", "exam/exam-service"))
    assert specs(after) == specs(before)
    assert [found.name for found in after.of_type("Allowance")] == ["shop/catalogue-exam/exam-service"]


def test_a_preview_makes_what_the_update_makes() -> None:
    def use(mesh: Mesh) -> None:
        mesh.service("shop/catalogue", ports={"http": 8080})
        mesh.expose("shop.exam-platform.com", "shop/catalogue")

    assert sorted(made(use, preview=True).names) == sorted(made(use).names)


def kubeconfig(credentials: Credentials, outputs: Yaml | None = None) -> tuple[Yaml, mocks.Registered]:
    def program() -> None:
        MeshOutputs.from_stack(STACK).cluster("use1").provider(credentials)

    provider = run(program, outputs).named("mesh-use1")
    return json.loads(provider.inputs["kubeconfig"]), provider


def test_a_provider_has_the_clusters_address_and_the_consumers_own_identity() -> None:
    written, provider = kubeconfig(Token("token-of-mine"))
    cluster = recorded()["clusters"]["use1"]
    assert provider.secrets == {"kubeconfig"}
    assert provider.inputs["clusterIdentifier"] == "use1"
    assert written["clusters"] == [
        {
            "name": "use1",
            "cluster": {
                "server": cluster["apiServer"],
                "certificate-authority-data": base64.b64encode(cluster["certificateAuthority"].encode()).decode(),
            },
        }
    ]
    assert written["users"] == [{"name": "use1", "user": {"token": "token-of-mine"}}]
    assert written["contexts"] == [{"name": "use1", "context": {"cluster": "use1", "user": "use1"}}]


def test_a_public_authority_is_left_to_the_client() -> None:
    written, _ = kubeconfig(Token("mine"), put(recorded(), "clusters.use1.certificateAuthority", ABSENT))
    assert written["clusters"][0]["cluster"] == {"server": "https://192.0.2.1:6443"}


@pytest.mark.parametrize(
    ("credentials", "user"),
    [
        (
            ClientCertificate("certificate", "key"),
            {"client-certificate-data": "Y2VydGlmaWNhdGU=", "client-key-data": "a2V5"},
        ),
        (
            Command("login", ["--now"], {"B": "2", "A": "1"}),
            {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": "login",
                    "args": ["--now"],
                    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                    "interactiveMode": "Never",
                }
            },
        ),
        (
            AwsIdentity(role="arn:aws:iam::123456789012:role/shop", profile="shop"),
            {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": "aws",
                    "args": [
                        *("eks", "get-token", "--cluster-name", "exam-use1", "--region", "us-east-1"),
                        *("--output", "json", "--role-arn", "arn:aws:iam::123456789012:role/shop"),
                    ],
                    "env": [{"name": "AWS_PROFILE", "value": "shop"}],
                    "interactiveMode": "Never",
                }
            },
        ),
    ],
)
def test_each_kind_of_identity_has_its_form(credentials: Credentials, user: Yaml) -> None:
    on_eks = put(recorded(), "clusters.use1.authentication", {"kind": "eks", "eksCluster": "exam-use1"})
    assert kubeconfig(credentials, on_eks)[0]["users"] == [{"name": "use1", "user": user}]


def test_no_credential_is_shown() -> None:
    shown = repr([Token("secret"), ClientCertificate("public", "secret")])
    assert "secret" not in shown


def test_outputs_are_typed() -> None:
    """For checkers; what an output holds is looked at elsewhere."""

    def program() -> None:
        mesh = MeshOutputs.from_stack(STACK)
        assert_type(mesh.outputs, pulumi.Output[MeshOutputs])
        assert_type(mesh.cluster("use1").outputs, pulumi.Output[ClusterOutputs])
        assert_type(mesh.cluster("use1").outputs.apply(lambda cluster: cluster.ingress.host), pulumi.Output[str | None])
        assert_type(mesh.services, pulumi.Output[dict[str, ServiceOutputs]])
        pulumi.export("id", mesh.identity.apply(lambda identity: identity.id))
        pulumi.export("region", mesh.cluster("usw2").region)
        pulumi.export("grpc", mesh.services.apply(lambda services: services["exam/exam-service"].ports["grpc"].number))
        pulumi.export("tls", mesh.gateways.apply(lambda hosts: hosts["exam-platform.com"].tls.minimum_version))
        pulumi.export("dashboard", mesh.telemetry.apply(lambda telemetry: telemetry.dashboards["grafana"]))

    assert run(program).outputs == {
        "id": "exam",
        "region": "us-west-2",
        "grpc": 9090,
        "tls": "1.2",
        "dashboard": "https://grafana.exam-platform.com",
    }


def test_a_program_that_only_reads_needs_no_kubernetes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pulumi_kubernetes", None)
    monkeypatch.delitem(sys.modules, "istio_mesh_contract.components")
    monkeypatch.delattr(istio_mesh_contract, "components")

    def read() -> None:
        pulumi.export("region", MeshOutputs.from_stack(STACK).cluster("use1").region)

    assert run(read).outputs == {"region": "us-east-1"}
    with pytest.raises(ContractError) as caught:
        run(lambda: MeshOutputs.from_stack(STACK).cluster("use1").provider(Token("mine")))
    assert str(caught.value) == (
        "istio-mesh-contract: pulumi-kubernetes is not installed. Nothing can be made in a cluster. Take "
        "`istio-mesh-contract[kubernetes]` into the program's requirements."
    )
