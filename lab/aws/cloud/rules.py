"""All rules, laid over moto once."""

from __future__ import annotations

import os

from lab.aws.cloud import eks, network_rules

assert eks, "importing a module of operations registers them"
assert network_rules, "importing a module of rules lays them"


def prepare() -> None:
    """Tell moto, before its tables are made, to bring the policies that AWS manages."""
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
