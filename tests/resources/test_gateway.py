"""What the gateways serve: whole specs, and certificates that a client accepts."""

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from cryptography import x509
from cryptography.x509 import DNSName
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from components.config import StackConfig
from components.resources import CrossNetworkGateway, IngressCertificates, IngressGateways
from components.resources.gateway import credential_name
from tests import builders, mocks, rooms

GENERATED = {"generated": {"lifetime": "90d"}}


def servers(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"ingress": {"servers": list(entries)}}


def run(config: StackConfig, **options: Any) -> mocks.Recording:
    def program() -> None:
        mesh = rooms.mesh(config)
        certificates = IngressCertificates("certificates", config.gateways.ingress, mesh=config.mesh)
        for cluster in mesh.clusters:
            control_plane, gateways = mesh.control_planes[cluster.name], mesh.gateways[cluster.name]
            CrossNetworkGateway(
                f"{cluster.name}-cross-network",
                mesh=config.mesh,
                cluster=cluster,
                control_plane=control_plane,
                gateways=gateways,
            )
            IngressGateways(
                f"{cluster.name}-ingress",
                config.gateways.ingress,
                mesh=config.mesh,
                cluster=cluster,
                gateways=gateways,
                certificates=certificates,
            )
        if certificates.authority_certificate is not None:
            pulumi.export("authority", certificates.authority_certificate)

    return mocks.run(program, **options)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> mocks.Recording:
    both = servers(
        {"hosts": ["exam-platform.com", "www.exam-platform.com"], "tls": GENERATED},
        {"hosts": ["api.exam-platform.com"], "tls": {"existingSecret": "api-tls"}},
    )
    return run(builders.stack_config(tmp_path_factory.mktemp("stack"), gateways=both))


def test_each_server_has_443_with_its_certificate_and_80_redirects_all_hosts(done: mocks.Recording) -> None:
    gateway = done.named("use1-ingress-gateway")
    assert gateway.inputs["metadata"]["namespace"] == "istio-ingress"
    assert gateway.inputs["spec"] == yaml.safe_load("""
        selector: {istio: ingress}
        servers:
          - port: {number: 443, name: https-exam-platform.com, protocol: HTTPS}
            hosts: [exam-platform.com, www.exam-platform.com]
            tls: {mode: SIMPLE, credentialName: tls.exam-platform.com, minProtocolVersion: TLSV1_2}
          - port: {number: 443, name: https-api.exam-platform.com, protocol: HTTPS}
            hosts: [api.exam-platform.com]
            tls: {mode: SIMPLE, credentialName: api-tls, minProtocolVersion: TLSV1_2}
          - port: {number: 80, name: http, protocol: HTTP}
            hosts: [exam-platform.com, www.exam-platform.com, api.exam-platform.com]
            tls: {httpsRedirect: true}
    """)


def test_the_east_west_gateway_passes_only_the_clusters_own_services(done: mocks.Recording) -> None:
    gateway = done.named("usw2-cross-network-gateway")
    assert gateway.provider == "usw2-provider"
    assert gateway.inputs["metadata"]["namespace"] == "istio-system"
    assert gateway.inputs["spec"] == yaml.safe_load("""
        selector: {istio: eastwestgateway}
        servers:
          - port: {number: 15443, name: tls, protocol: TLS}
            hosts: ["*.local"]
            tls: {mode: AUTO_PASSTHROUGH}
    """)


def test_gateway_resources_come_after_their_envoys_and_certificates(done: mocks.Recording) -> None:
    wanted = {"use1-gateways-ingress", "use1-ingress-tls.exam-platform.com"}
    assert wanted <= done.named("use1-ingress-gateway").dependencies


def content(done: mocks.Recording, name: str) -> tuple[x509.Certificate, str]:
    data = done.named(name).inputs["data"]
    return x509.load_pem_x509_certificate(base64.b64decode(data["tls.crt"])), base64.b64decode(data["tls.key"]).decode()


def test_a_generated_certificate_is_accepted_by_who_knows_its_authority(done: mocks.Recording) -> None:
    certificate, key = content(done, "use1-ingress-tls.exam-platform.com")
    authority = x509.load_pem_x509_certificate(done.outputs["authority"].encode())
    for host in ("exam-platform.com", "www.exam-platform.com"):
        verifier = PolicyBuilder().store(Store([authority])).build_server_verifier(DNSName(host))
        verifier.verify(certificate, [])
        with pytest.raises(VerificationError):
            PolicyBuilder().store(Store([authority])).build_server_verifier(DNSName("a.b")).verify(certificate, [])
    assert key.startswith("-----BEGIN PRIVATE KEY-----")
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=90, minutes=5)


def test_the_authority_of_hosts_is_not_the_meshs_root(done: mocks.Recording) -> None:
    """A client that trusts the web site would trust every workload's identity by it."""
    cacerts = done.named("use1-mesh-cacerts").inputs["data"]
    assert base64.b64decode(cacerts["root-cert.pem"]).decode() != done.outputs["authority"]
    assert {found.name for found in done.of_type("RootCertificate")} == {"trust-root-1", "certificates-authority"}


def test_every_cluster_shows_the_same_certificate(done: mocks.Recording) -> None:
    """A client that is moved to the other region must not see another one."""
    first, second = (content(done, f"{name}-ingress-tls.exam-platform.com") for name in ("use1", "usw2"))
    assert first == second


def test_keys_are_secret_and_secrets_of_the_tls_type(done: mocks.Recording) -> None:
    secret = done.named("use1-ingress-tls.exam-platform.com")
    assert secret.inputs["type"] == "kubernetes.io/tls"
    assert "data" in secret.secrets


def test_an_existing_secret_is_used_as_it_is(done: mocks.Recording) -> None:
    assert not [name for name in done.names if "api-tls" in name]


def test_a_given_certificate_is_taken_with_its_chain(tmp_path: Path) -> None:
    issuer = builders.authority("Public CA")
    leaf = builders.authority("leaf", issuer=issuer, ca=False, key_cert_sign=False, hosts=("exam-platform.com",))
    chain = leaf.certificate + issuer.certificate
    tls = {"certificate": chain, "privateKey": leaf.key}
    given = run(builders.stack_config(tmp_path, gateways=servers({"hosts": ["exam-platform.com"], "tls": tls})))
    data = given.named("usw2-ingress-tls.exam-platform.com").inputs["data"]
    assert base64.b64decode(data["tls.crt"]).decode() == chain
    assert base64.b64decode(data["tls.key"]).decode() == leaf.key
    assert not given.of_type("ServerCertificate")
    assert "authority" not in given.outputs


def test_cert_manager_is_asked_for_a_certificate_of_the_hosts(tmp_path: Path) -> None:
    tls = {"certManager": {"issuer": "letsencrypt"}}
    asked = run(
        builders.stack_config(tmp_path, gateways=servers({"hosts": ["a.example.com", "b.example.com"], "tls": tls}))
    )
    certificate = asked.named("use1-ingress-tls.a.example.com")
    assert certificate.type == "kubernetes:cert-manager.io/v1:Certificate"
    assert certificate.inputs["metadata"]["namespace"] == "istio-ingress"
    assert certificate.inputs["spec"] == yaml.safe_load("""
        secretName: tls.a.example.com
        dnsNames: [a.example.com, b.example.com]
        privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
        issuerRef: {name: letsencrypt, kind: ClusterIssuer, group: cert-manager.io}
    """)
    assert not [found for found in asked.of_type("Secret") if found.inputs.get("type") == "kubernetes.io/tls"]


def test_without_hosts_nothing_is_served(tmp_path: Path) -> None:
    """A Gateway without a server is refused by Istio."""
    empty = run(builders.stack_config(tmp_path, gateways={}))
    assert not [name for name in empty.names if name.endswith("-ingress-gateway")]
    assert "use1-cross-network-gateway" in empty.names


def test_a_wildcard_and_a_host_never_share_a_secret(tmp_path: Path) -> None:
    hosts = ("*.exam-platform.com", "exam-platform.com", "wildcard.exam-platform.com")
    config = builders.stack_config(tmp_path, gateways=servers(*({"hosts": [host], "tls": GENERATED} for host in hosts)))
    assert [credential_name(server) for server in config.gateways.ingress.servers] == [
        "tls-wildcard.exam-platform.com",
        "tls.exam-platform.com",
        "tls.wildcard.exam-platform.com",
    ]


def test_a_preview_of_an_empty_stack_shows_it_all(tmp_path: Path, done: mocks.Recording) -> None:
    both = servers(
        {"hosts": ["exam-platform.com", "www.exam-platform.com"], "tls": GENERATED},
        {"hosts": ["api.exam-platform.com"], "tls": {"existingSecret": "api-tls"}},
    )
    preview = run(builders.stack_config(tmp_path, gateways=both), preview=True)
    assert sorted(preview.names) == sorted(done.names)


def test_each_gateway_waits_for_its_own_envoy_alone(done: mocks.Recording) -> None:
    for name, role in (("use1-ingress-gateway", "ingress"), ("use1-cross-network-gateway", "east-west")):
        envoys = {f"use1-gateways-{each}" for each in ("ingress", "east-west")} & done.named(name).dependencies
        assert envoys == {f"use1-gateways-{role}"}
