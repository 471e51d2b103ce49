"""All rules, laid over moto once."""

from __future__ import annotations

import os


def install() -> None:
    """Lay the rules. moto reads what it is told by its environment when it is imported, so it is told first."""
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    from lab.aws.cloud import network_rules

    assert network_rules, "importing a module of rules lays them"
