"""docs/doctor.md: the rights that it lists are enough and no more than reading, and its thresholds are the model's."""

from pathlib import Path
from typing import Any

import yaml

from mesh.doctor.thresholds import Thresholds

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
READING = {"get", "list", "watch"}


def roles() -> dict[str, dict[str, Any]]:
    """The manifests of the page, by kind."""
    blocks = PAGE.read_text(encoding="utf-8").split("```yaml\n")[1:]
    found = [yaml.safe_load(block.partition("```")[0]) for block in blocks]
    return {item["kind"]: item for item in found if "kind" in item}


def table() -> str:
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for name, field in Thresholds.model_fields.items():
        meaning = " ".join((field.description or "").split())
        lines.append(f"| `{field.alias or name}` | `{field.default}` | {meaning} |")
    return "\n".join(lines)


def test_the_cluster_role_reads_and_does_not_read_secrets() -> None:
    for rule in roles()["ClusterRole"]["rules"]:
        assert set(rule["verbs"]) <= READING
        assert "" not in rule["apiGroups"] or not {"secrets", "*"} & set(rule["resources"])


def test_what_is_more_than_reading_is_granted_in_one_namespace_alone() -> None:
    role = roles()["Role"]
    assert role["metadata"]["namespace"] == "istio-system"
    granted = {resource for rule in role["rules"] for resource in rule["resources"]}
    assert granted == {"pods/portforward", "pods/exec", "serviceaccounts/token"}


def test_the_thresholds_are_those_of_the_model() -> None:
    text = PAGE.read_text(encoding="utf-8")
    said = text.partition("<!-- thresholds -->\n")[2].partition("\n<!-- /thresholds -->")[0]
    assert said == table(), f"write this between the comments:\n{table()}"
