"""The document that this project began with: each of its faults, by the policy that names it and by its message."""

from pathlib import Path
from typing import Any

import yaml

from policies.resources import Resource
from policies.verdicts import REPORT
from tests.policies.support import judged, manifest, release

HERE = Path(__file__).parent

ISTIOD = {
    # What it has as `pilot_config` and as the values of IstioOperators, in the form that is still read.
    "revision": "",
    "global": {"tag": "1.20.0", "meshID": "mesh1"},
    "env": {
        "PILOT_ENABLE_CONFIG_DISTRIBUTION_TRACKING": False,
        "PILOT_PUSH_THROTTLE": 100,
        "PILOT_MAX_WORKLOAD_ENTRIES": 10000,
    },
}


def seed() -> list[Resource]:
    objects: list[dict[str, Any]] = list(yaml.safe_load_all((HERE / "seed.yaml").read_text()))
    return [*(manifest(found) for found in objects), release("istiod", ISTIOD)]


def test_every_fault_of_the_document_is_found_and_nothing_else() -> None:
    resources = {found.urn: found.name for found in seed()}
    found: dict[tuple[str, str], list[str]] = {}
    for verdict in judged(seed())[0]:
        if verdict.policy != REPORT:
            found.setdefault((verdict.policy, resources[verdict.urn]), []).append(verdict.message)
    listed = yaml.safe_load((HERE / "seed_faults.yaml").read_text())
    assert {(row["policy"], row["resource"]): row["messages"] for row in listed} == found


def test_every_fault_is_said_in_words() -> None:
    listed = yaml.safe_load((HERE / "seed_faults.yaml").read_text())
    assert [row for row in listed if not row["fault"]] == []
    assert len(listed) > 30
