"""All rules, laid over moto once."""

from __future__ import annotations

import os

from lab.aws.cloud import account_rules, authority_rules, eks, network_rules, path_rules, transit_rules

assert eks, "importing a module of operations registers them"
assert all((account_rules, authority_rules, network_rules, path_rules, transit_rules)), (
    "importing a module of rules lays them"
)


def prepare() -> None:
    """Tell moto, before its tables are made, to bring the policies that AWS manages, and not its thousand images, which
    take a second for each region.
    """
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
