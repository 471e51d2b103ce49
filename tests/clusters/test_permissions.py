"""docs/iam-policy.json: fresh, short enough, and of every type that the program uses."""

import json
import re

from components.clusters import permissions
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


def test_every_type_that_is_used_has_its_actions_and_no_other() -> None:
    zone = {"zone": "exam-platform.com", "zoneId": "Z0123456789ABCDEFGHIJ", "latency": {}}
    cert_manager = {"version": "v1.19.1-eksbuild.1", "email": "platform@exam-platform.com"}
    stacks = [
        of_file("staging"),
        of_file("prod"),
        private_stack(2, aws__betweenRegions={"transitGateway": {}}),
        aws_stack(1, gateways__ingress__name=zone, aws__certManager=cert_manager),
        aws_stack(2, clusters__0__eks__compute={"nodeGroups": {"general": NODES}}),
    ]
    used = {found.type for values in stacks for found in run(values).resources if found.type.startswith("aws:")}
    assert used == set(permissions.ACTIONS)
