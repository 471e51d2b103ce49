"""The files that people and programs rely on: kubeconfigs, the environment, certificates, and what `down` removes."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from lab import down, environment, kubeconfig, pki
from lab.paths import Paths
from lab.regions import load_regions

TOPOLOGY = load_regions()
EAST = TOPOLOGY.regions[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pki.RegionPki:
    return pki.create(EAST, tmp_path_factory.mktemp("pki"))


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_api_server_is_known_by_every_address_it_is_reached_at(made: pki.RegionPki) -> None:
    served = certificate(made.pair("kube-apiserver").certificate)
    names = served.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = set(names.get_values_for_type(x509.IPAddress))
    assert addresses == {EAST.node_address, EAST.kubernetes_address, IPv4Address("127.0.0.1")}
    assert {"localhost", "kubernetes.default.svc"} <= set(names.get_values_for_type(x509.DNSName))
    served.verify_directly_issued_by(certificate(made.authority.certificate))


def test_the_authorities_of_kubernetes_and_etcd_are_two(made: pki.RegionPki) -> None:
    client = certificate(made.pair("apiserver-etcd-client").certificate)
    client.verify_directly_issued_by(certificate(made.etcd_authority.certificate))
    with pytest.raises(ValueError, match="Issuer"):
        client.verify_directly_issued_by(certificate(made.authority.certificate))


def test_keys_are_elliptic_and_readable_by_their_owner_only(made: pki.RegionPki) -> None:
    keys = sorted(made.directory.glob("*.key"))
    assert len(keys) > 8
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    public = certificate(made.pair("kubelet").certificate).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"


def test_a_kubeconfig_stands_alone_and_has_the_regions_name(made: pki.RegionPki, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig-use1"
    kubeconfig.write(path, EAST, made.authority.certificate, "admin", made.pair("admin"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    config = yaml.safe_load(path.read_text())
    assert config["current-context"] == config["contexts"][0]["name"] == config["clusters"][0]["name"] == "use1"
    assert config["clusters"][0]["cluster"]["server"] == "https://198.18.0.11:6443"
    assert str(tmp_path) not in path.read_text()
    assert str(made.directory) not in path.read_text()
    embedded = base64.b64decode(config["users"][0]["user"]["client-certificate-data"])
    assert embedded == made.pair("admin").certificate.read_bytes()


def test_users_of_two_regions_do_not_have_one_name(made: pki.RegionPki) -> None:
    names = {
        yaml.safe_load(kubeconfig.render(region, made.authority.certificate, "admin", made.pair("admin")))["users"][0][
            "name"
        ]
        for region in TOPOLOGY.regions
    }
    assert len(names) == len(TOPOLOGY.regions)


def sourced(paths: Paths, times: int) -> dict[str, str]:
    script = "".join(f". {str(paths.environment)!r}; " for _ in range(times)) + "env -0"
    result = subprocess.run(
        ["sh", "-ec", script], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
    )
    return dict(line.split("=", 1) for line in result.stdout.split("\0") if "=" in line)


def test_the_environment_is_what_a_shell_has_after_sourcing_it(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "a clone")
    paths.lab.mkdir(parents=True)
    environment.write(paths, TOPOLOGY)
    shell = sourced(paths, 1)
    assert shell["KUBECONFIG"] == f"{paths.lab}/kubeconfig-use1:{paths.lab}/kubeconfig-usw2"
    assert shell["PULUMI_BACKEND_URL"] == f"file://{paths.pulumi}"
    assert shell["PATH"].split(":")[0] == str(paths.bin)
    own = environment.process_environment(paths, TOPOLOGY, {"PATH": os.environ["PATH"]})
    assert {name: shell[name] for name in own} == own


def test_the_environment_sourced_twice_is_the_same(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.lab.mkdir()
    environment.write(paths, TOPOLOGY)
    assert sourced(paths, 2)["PATH"] == sourced(paths, 1)["PATH"]


def test_down_forgets_the_local_stack_and_leaves_others(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    state = paths.pulumi / ".pulumi"
    gone = [
        state / "stacks/istio-mesh/local.json",
        state / "stacks/istio-mesh/local.json.bak",
        state / "history/istio-mesh/local/local-1.history.json",
        state / "locks/organization/istio-mesh/local/one.json",
        paths.lab / "kubeconfig-use1",
        paths.environment,
        paths.regions / "use1/log/etcd.log",
    ]
    kept = [
        state / "stacks/istio-mesh/staging.json",
        state / "stacks/istio-mesh/localhost.json",
        state / "history/istio-mesh/staging/staging-1.history.json",
        paths.evidence,
    ]
    for path in (*gone, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    down.forget_clusters(paths)
    assert [path for path in gone if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []
