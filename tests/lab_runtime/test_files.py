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

from lab import down, environment, kubeconfig, pki, stack, up
from lab.errors import LabError
from lab.ownership import Ownership
from lab.paths import CLONE, Paths
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
    assert shell["NO_PROXY"] == shell["no_proxy"] == "198.18.0.0/24,198.18.11.0/24,198.18.12.0/24"
    own = environment.process_environment(paths, TOPOLOGY, {"PATH": os.environ["PATH"]})
    assert own.pop("TMPDIR") == str(paths.temporary), "a shell outlives the lab, and would be left without a folder"
    assert paths.temporary.stat().st_mode & 0o777 == 0o700
    assert {name: shell[name] for name in own} == own


def test_the_environment_sourced_twice_is_the_same(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.lab.mkdir()
    environment.write(paths, TOPOLOGY)
    assert sourced(paths, 2)["PATH"] == sourced(paths, 1)["PATH"]


def test_a_persons_exceptions_from_the_proxy_stay(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    environment.write(paths, TOPOLOGY)
    base = {"PATH": os.environ["PATH"], "NO_PROXY": "localhost,.corp.example"}
    own = environment.process_environment(paths, TOPOLOGY, base)
    assert own["NO_PROXY"] == f"localhost,.corp.example,{environment.unproxied(TOPOLOGY)}"
    assert environment.process_environment(paths, TOPOLOGY, own)["NO_PROXY"] == own["NO_PROXY"]
    script = f'. {paths.environment}; . {paths.environment}; printf %s "$NO_PROXY"'
    shell = subprocess.run(["sh", "-ec", script], env=base, capture_output=True, text=True, check=True).stdout
    assert shell == own["NO_PROXY"]


def test_the_labs_state_is_its_owners_alone_even_where_it_was_not(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.pulumi.mkdir(parents=True)
    paths.lab.chmod(0o755)
    environment.write(paths, TOPOLOGY)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (paths.lab, paths.pulumi)} == {0o700}


def test_down_forgets_the_local_stack_and_leaves_others(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    state = paths.pulumi / ".pulumi"
    made = tmp_path / "opt/cni"
    made.mkdir(parents=True)
    paths.lab.mkdir()
    down.record_directories(paths, [made.parent, made, Path("/run/netns")])
    assert down.recorded_directories(paths) == [str(made.parent), str(made)]
    gone = [
        made.parent,
        state / "stacks/istio-mesh/local.json",
        state / "stacks/istio-mesh/local.json.bak",
        state / "history/istio-mesh/local/local-1.history.json",
        state / "locks/organization/istio-mesh/local/one.json",
        # What a proof that was cut off has left: of the same clusters.
        state / "stacks/istio-mesh/local-remote.json",
        state / "history/istio-mesh/local-remote/local-remote-1.history.json",
        paths.lab / "kubeconfig-use1",
        paths.environment,
        paths.regions / "use1/log/etcd.log",
        # Pulumi's Kubernetes plugin leaves what it was given.
        paths.temporary / "kubeconfig1",
    ]
    kept = [
        state / "stacks/istio-mesh/staging.json",
        state / "stacks/istio-mesh/localhost.json",
        state / "history/istio-mesh/staging/staging-1.history.json",
        state / "stacks/another-project/local.json",
        state / "backups/another-project/local/local.json",
        state / "locks/organization/another-project/local/one.json",
        paths.evidence,
    ]
    for path in (*gone[1:], *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    down.forget_clusters(paths)
    assert [path for path in gone if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []


def test_the_project_whose_stack_is_forgotten_is_this_one() -> None:
    assert yaml.safe_load((CLONE / "Pulumi.yaml").read_text())["name"] == stack.PROJECT


def test_a_failed_start_keeps_its_logs_and_the_first_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, told = Paths(tmp_path), list[str]()
    log = paths.region("use1").log / "etcd.log"
    log.parent.mkdir(parents=True)
    log.write_text("no space")

    def fails(*_: object) -> None:
        raise LabError("a process is left")

    monkeypatch.setattr(down, "take_away", fails)
    ownership = Ownership(paths, tmp_path / "run")
    with (
        pytest.raises(LabError, match=f"etcd ended at once. The logs of this start are kept in {paths.failed_start}"),
        up.undone_on_failure(ownership, paths, told.append, undo=True),
    ):
        raise LabError("etcd ended at once.")
    assert (paths.failed_start / "use1/etcd.log").read_text() == "no space"
    assert any("a process is left" in line for line in told)
