"""The pack as a whole: what every policy has, what all of them pass, its page and its archive."""

import os
import re
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from components.config.objects import API_VERSIONS
from policies import docs, package
from policies.catalogue import Finding, Policy, by_id, resource_policy
from policies.istio_control_plane import environment_names
from policies.istio_fields import fields
from policies.pack import POLICIES, TOPICS
from policies.server import NAME
from policies.verdicts import REPORT
from tests.policies import (
    test_aws,
    test_istio_access,
    test_istio_proxies,
    test_istio_traffic,
    test_kubernetes,
    test_stack,
)
from tests.policies.compliant import AWS, OBJECTS, aws, mesh, object_
from tests.policies.support import judged
from tests.policies.test_aws import zones

ROOT = Path(docs.PATH).parents[1]

TABLES = (test_aws, test_kubernetes, test_istio_access, test_istio_traffic, test_istio_proxies, test_stack)


def test_every_policy_has_a_case_that_it_finds() -> None:
    cases = Counter(case.policy for table in TABLES for case in table.CASES)
    assert [policy.id for policy in POLICIES if not cases[policy.id]] == []


def test_every_policy_has_its_reason_and_source() -> None:
    assert len(POLICIES) >= 40
    assert {policy.family for policy in POLICIES} == {"aws", "kubernetes", "istio", "stack"}
    for policy in POLICIES:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", policy.id)
        assert policy.description.endswith("."), policy.id
        assert policy.reason.endswith("."), policy.id
        assert policy.source, policy.id
        assert policy.on, policy.id
        assert (policy.resource_judge is None) != (policy.stack_judge is None)


def test_no_two_policies_have_one_id() -> None:
    twice: list[Policy] = [POLICIES[0], POLICIES[0]]
    with pytest.raises(ValueError, match=f"two policies are named {POLICIES[0].id}"):
        by_id(twice)
    assert len(by_id(POLICIES)) == len(POLICIES)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_every_policy_passes_what_is_compliant(stack: str) -> None:
    everything = [*(aws(type_, name=type_) for type_ in AWS), *(object_(name) for name in OBJECTS), *mesh()]
    verdicts, _ = judged(everything, stack=stack)
    assert [verdict for verdict in verdicts if verdict.policy != REPORT] == []


def test_policies_of_production_judge_there_alone() -> None:
    def found(stack: str) -> set[str]:
        return {verdict.policy for verdict in judged(zones(1), stack=stack)[0]} - {REPORT, "aws-tags"}

    assert found("staging") == {"aws-vpc-flow-logs"}
    assert found("prod") == {"aws-vpc-flow-logs", "aws-nat-single"}


def test_a_policy_that_fails_refuses() -> None:
    @resource_policy("test-fails", "mandatory", on=["core/Namespace"], description="d", reason="r", source="s")
    def fails(*_: object) -> list[Finding]:
        raise KeyError("hunter2")

    (refused, report) = judged([object_("exam")], policies=[fails])[0]
    assert (refused.policy, refused.severity) == ("test-fails", "mandatory")
    assert refused.message == (
        "the policy itself failed: KeyError. What it is about was not judged.\n"
        "Mend it: exempt the resource, and tell who keeps the pack of `test-fails`."
    )
    assert "1 findings refused" in report.message


def test_every_kind_has_its_fields() -> None:
    assert set(API_VERSIONS) <= set(fields())
    assert "trafficPolicy" in fields()["DestinationRule"]


def test_names_of_istiods_environment_that_the_program_sets_are_known() -> None:
    used = re.findall(r'"([A-Z][A-Z_]{6,})":', (ROOT / "components" / "mesh" / "values.py").read_text())
    of_proxies = {
        "EXIT_ON_ZERO_ACTIVE_CONNECTIONS",
        "ISTIO_META_REQUESTED_NETWORK_VIEW",
        "MINIMUM_DRAIN_DURATION",
        "PROXY_CONFIG_XDS_AGENT",
        "SECRET_TTL",
    }
    assert used
    assert set(used) - of_proxies <= environment_names()


# The page, the archive.


def test_the_page_is_the_policies() -> None:
    assert docs.PATH.read_text() == docs.rendered(), f"run `{docs.COMMAND}`"


def test_every_file_of_policies_is_in_the_pack() -> None:
    files = {file.stem for file in (ROOT / "policies").glob("*_*.py") if not file.stem.startswith("__")}
    assert files == {topic.__name__.rpartition(".")[2] for topic in TOPICS}


def test_requirements_are_those_of_the_program() -> None:
    def pins(file: Path) -> dict[str, str]:
        lines = [line for line in file.read_text().split("\n") if line and line[0] not in "#-"]
        return {found.name: str(found.specifier) for found in map(Requirement, lines)}

    own, program = pins(ROOT / "policies" / "requirements.txt"), pins(ROOT / "requirements.txt")
    assert {name: own[name] for name in own.keys() & program.keys()} == {
        name: program[name] for name in own.keys() & program.keys()
    }
    assert own.keys() - program.keys() == {"cel-python"}


def test_the_archive_is_a_pack_by_itself(tmp_path: Path) -> None:
    """Unpacked elsewhere it starts and says its port, with nothing of this project in reach."""
    archive = package.package(tmp_path)
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert folder.name == f"istio-mesh-policies-{package.version()}"
    started = subprocess.Popen(
        [sys.executable, str(folder / "policies")],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stdout is not None
        assert started.stdout.readline().strip().isdecimal()
    finally:
        started.kill()
        started.wait()
    assert not any(file.suffix == ".pyc" for file in package.files())
    assert NAME == "istio-mesh"
