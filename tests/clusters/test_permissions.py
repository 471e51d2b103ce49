"""docs/iam-policy.json: fresh, short enough, and of every type that the program uses."""

import json
import re

import pytest

from components.clusters import permissions
from tests import mocks
from tests.aws import NODES, aws_stack, private_stack
from tests.test_main_aws import of_file, run


def test_the_policy_is_made_from_the_types() -> None:
    assert permissions.PATH.read_text() == permissions.rendered(), f"run `{permissions.COMMAND}`"


def test_iam_takes_it() -> None:
    assert len(json.dumps(permissions.statements(), separators=(",", ":"))) <= permissions.LIMIT
    actions = [action for found in permissions.statements()["Statement"] for action in found["Action"]]
    assert len(set(actions)) == len(actions)
    assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+\*?", action) for action in actions)
    assert [action for action in actions if action.endswith("*")] == ["ec2:Describe*"], "these only read"


@pytest.fixture(scope="module")
def resources() -> list[mocks.Registered]:
    """Of stacks that have all types between them."""
    zone = {"zone": "exam-platform.com", "zoneId": "Z0123456789ABCDEFGHIJ", "latency": {}}
    cert_manager = {"version": "v1.19.1-eksbuild.1", "email": "platform@exam-platform.com"}
    stacks = [
        of_file("staging"),
        of_file("prod"),
        private_stack(2, aws__betweenRegions={"transitGateway": {}}),
        aws_stack(1, gateways__ingress__name=zone, aws__certManager=cert_manager),
        aws_stack(2, clusters__0__eks__compute={"nodeGroups": {"general": NODES}}),
    ]
    return [found for values in stacks for found in run(values).resources]


def test_every_type_that_is_used_has_its_actions_and_no_other(resources: list[mocks.Registered]) -> None:
    used = {found.type for found in resources if found.type.startswith("aws:")}
    assert used == set(permissions.ACTIONS)


def test_roles_are_passed_to_those_alone_that_they_trust(resources: list[mocks.Registered]) -> None:
    trusted = {
        statement["Principal"]["Service"]
        for found in resources
        if found.type == "aws:iam/role:Role"
        for statement in json.loads(found.inputs["assumeRolePolicy"])["Statement"]
    }
    (passing,) = [found for found in permissions.statements()["Statement"] if "iam:PassRole" in found["Action"]]
    assert passing["Action"] == ["iam:PassRole"]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": sorted(trusted)}}
