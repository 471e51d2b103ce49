"""`python -m mesh doctor`: nothing to say of a healthy mesh, and of a fault what it is, each with its own sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.paths import Paths
from lab.waiting import wait_for
from tests.lab.support.doctor import Doctor, Said, scaled, stopped
from tests.lab.support.engine import Engine
from tests.lab.support.faults import USW2, Expected, Fault, Lab, differing
from tests.lab.support.faults.drift import DRIFT
from tests.lab.support.faults.table import LONG, QUICK, STRICT, TRAFFIC
from tests.lab.support.pods import running
from tests.lab.support.site import ISTIOD, SYSTEM, Site

IN_TIME = 5.0  # seconds that the doctor may take for both regions
FOUND = 180.0  # seconds until a fault shows, of which istiod takes 30 to give a cluster up
PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
ACCOUNT = "proof-doctor"


@pytest.fixture(scope="module")
def doctor(
    paths: Paths,
    env: Mapping[str, str],
    engine: Engine,
    sites: Mapping[str, Site],
    tmp_path_factory: pytest.TempPathFactory,
) -> Doctor:
    return Doctor(paths.root, env, engine.outputs(), tmp_path_factory.mktemp("doctor"))


@pytest.fixture(scope="module")
def lab(sites: Mapping[str, Site], engine: Engine, paths: Paths) -> Generator[Lab]:
    """No other session changes the stack meanwhile: the doctor would tell."""
    with engine.reserved():
        yield Lab(sites, engine, paths)


@pytest.mark.proof("L1", "a healthy mesh has no finding, both regions within 5 s")
def test_a_healthy_mesh_has_no_finding(doctor: Doctor, lab: Lab, record: Callable[..., None]) -> None:
    doctor.healthy("a mesh without a finding")
    runs = [doctor.ask() for _ in range(5)]
    for said in runs:
        assert not said.findings, str(said)
        assert said.code == 0
    best, whole = min(said.seconds for said in runs), min(said.whole for said in runs)
    record(seconds=sorted(said.seconds for said in runs), with_start=sorted(round(said.whole, 1) for said in runs))
    assert best < IN_TIME, f"{best} s of {whole:.1f} s with the interpreter's start"


@pytest.mark.proof("L1", "two istiods in each region, as production has them, are no finding; one that hangs is told")
def test_several_istiods_are_no_finding(doctor: Doctor, lab: Lab, record: Callable[..., None]) -> None:
    with ExitStack() as stack:
        for site in lab.sites.values():
            stack.enter_context(scaled(site.kubectl, SYSTEM, ISTIOD, replicas=2))
        for site in lab.sites.values():
            site.kubectl.rolled_out(SYSTEM, f"deployment/{ISTIOD}")
        said = doctor.healthy("two istiods in each region without a finding")
        pods = {name: len(running(site.kubectl, SYSTEM, "-l", "app=istiod")) for name, site in lab.sites.items()}
        assert set(pods.values()) == {2}, pods
        with stopped(lab[USW2].kubectl, SYSTEM, "app=istiod", "pilot-discovery"):
            # Itself, and what istioctl would have had to ask it.
            expected = {("istiod-silent", USW2), ("sync-unseen", USW2)}
            hanging = doctor.finds(expected, deadline=FOUND, what="the one istiod that hangs to be found")
    record(istiods=pods, seconds=said.seconds, hanging_s=hanging.seconds)
    doctor.healthy("one istiod in each region again")


def _found(doctor: Doctor, fault: Fault) -> Said:
    """The first run that says it all and nothing besides."""
    last: list[Said] = []

    def said() -> bool:
        last[:] = [doctor.ask(thresholds=fault.thresholds or None)]
        _holds(last[0], fault.expected, fault.also)
        return True

    wait_for(said, deadline=FOUND, what=f"the doctor to find: {fault.name}", interval=0.5)
    return last[0]


def _holds(said: Said, expected: Sequence[Expected], also: frozenset[str] = frozenset()) -> None:
    difference = differing(said.pairs, expected, also)
    assert not difference, f"{difference}\n{said}"
    for each in expected:
        causes = said.causes(each.id, each.region)
        wrong = [cause for cause in causes if not re.fullmatch(each.cause, cause)]
        assert not wrong, f"{each.id}: {wrong}"
    for finding in said.findings:
        assert all(finding[key] for key in ("cause", "consequence", "cure", "command")), finding
        assert finding["severity"] != "unseen", f"not looked at: {finding}"
    assert said.code == (1 if any(finding["severity"] == "fault" for finding in said.findings) else 0)


def _prove(doctor: Doctor, lab: Lab, fault: Fault, record: Callable[..., None]) -> None:
    with fault.make(lab):
        said = _found(doctor, fault)
    record(found=sorted(said.pairs), seconds=said.seconds, cause=said.findings[0]["cause"])
    doctor.healthy(f"a mesh without a finding after: {fault.name}", deadline=240)


@pytest.mark.proof("L1", "a fault is found, and nothing besides")
@pytest.mark.parametrize("fault", QUICK, ids=str)
def test_a_fault_is_found(fault: Fault, doctor: Doctor, lab: Lab, record: Callable[..., None]) -> None:
    _prove(doctor, lab, fault, record)


@pytest.mark.proof(
    "L2", "what is wrong with requests is found while they are sent, with its numbers, and nothing besides"
)
@pytest.mark.parametrize("fault", TRAFFIC, ids=str)
def test_what_requests_show_is_found(fault: Fault, doctor: Doctor, lab: Lab, record: Callable[..., None]) -> None:
    _prove(doctor, lab, fault, record)


@pytest.mark.proof("L2", "thresholds come from a file, and hold for what real proxies tell")
@pytest.mark.parametrize("fault", STRICT, ids=str)
def test_thresholds_hold(fault: Fault, doctor: Doctor, lab: Lab, record: Callable[..., None]) -> None:
    with fault.make(lab):
        said = _found(doctor, fault)
    record(found=len(said.findings), cause=said.findings[0]["cause"], cure=said.findings[0]["cure"])


@pytest.mark.proof("L1", "what runs is held against what the stack says")
@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in DRIFT], ids=[case[0] for case in DRIFT])
def test_drift_is_found(
    change: Callable[[dict[str, Any]], dict[str, Any]],
    expected: Sequence[Expected],
    doctor: Doctor,
    lab: Lab,
    record: Callable[..., None],
) -> None:
    said = doctor.ask(outputs=change(dict(doctor.outputs)))
    record(cause=said.findings[0]["cause"] if said.findings else "")
    _holds(said, expected)


@pytest.mark.full
@pytest.mark.proof("L1", "a fault that takes a minute to make or to undo is found, and nothing besides")
@pytest.mark.parametrize("fault", LONG, ids=str)
def test_a_slow_fault_is_found(fault: Fault, doctor: Doctor, lab: Lab, record: Callable[..., None]) -> None:
    _prove(doctor, lab, fault, record)


@pytest.fixture
def readers(sites: Mapping[str, Site], tmp_path: Path) -> Generator[Mapping[str, str]]:
    """A kubeconfig for each set of rights of docs/doctor.md: `all` of them, and those to `look` alone."""
    blocks = PAGE.read_text(encoding="utf-8").split("```yaml\n")[1:]
    manifests = [yaml.safe_load(block.partition("```")[0]) for block in blocks]
    roles = {item["kind"]: item for item in manifests if "kind" in item}
    made: list[dict[str, Any]] = [roles["ClusterRole"], roles["Role"]]
    for who in ("all", "look"):
        account = {"kind": "ServiceAccount", "name": f"{ACCOUNT}-{who}", "namespace": SYSTEM}
        metadata = {"name": account["name"], "namespace": SYSTEM}
        made.append({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        bound = ["ClusterRole", "Role"] if who == "all" else ["ClusterRole"]
        for kind in bound:
            binding = {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": f"{kind}Binding",
                "metadata": metadata if kind == "Role" else {"name": account["name"]},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": kind,
                    "name": roles[kind]["metadata"]["name"],
                },
                "subjects": [account],
            }
            made.append(binding)
    try:
        for site in sites.values():
            site.kubectl.apply(made)
        yield {who: str(_kubeconfig(sites, f"{ACCOUNT}-{who}", tmp_path / who)) for who in ("all", "look")}
    finally:
        for site in sites.values():
            text = yaml.safe_dump_all(made)
            site.kubectl.run("delete", "-f", "-", "--ignore-not-found", stdin=text)


def _kubeconfig(sites: Mapping[str, Site], account: str, file: Path) -> Path:
    """By the account's tokens of every region."""
    content: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for name, site in sites.items():
        token = site.kubectl.text("create", "token", "-n", SYSTEM, account).strip()
        authority = site.kubectl.json("get", "configmap", "kube-root-ca.crt", "-n", SYSTEM)["data"]["ca.crt"]
        pem = file.with_suffix(f".{name}.pem")
        pem.write_text(authority, encoding="utf-8")
        cluster = {"server": site.region.api_server, "certificate-authority": str(pem)}
        content["clusters"].append({"name": name, "cluster": cluster})
        content["users"].append({"name": name, "user": {"token": token}})
        content["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    content["current-context"] = next(iter(sites))
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


@pytest.mark.proof(
    "L1", "the rights that docs/doctor.md lists are enough, and without the right to talk to istiod it says so"
)
def test_the_listed_rights_are_enough(
    readers: Mapping[str, str], doctor: Doctor, lab: Lab, record: Callable[..., None]
) -> None:
    doctor.healthy("a mesh without a finding")
    everything = doctor.ask("--kubeconfig", readers["all"])
    assert not everything.findings, str(everything)
    looking = doctor.ask("--kubeconfig", readers["look"])
    record(looking=sorted(looking.pairs))
    assert {finding["severity"] for finding in looking.findings} == {"unseen"}, str(looking)
    assert looking.pairs == {(kind, name) for kind in ("sync-unseen", "way-unseen") for name in lab.sites}, str(looking)
    assert looking.code == 0
