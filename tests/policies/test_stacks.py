"""The program's own stacks before the pack: clean, or exempt with a reason; previews judge all that can be known."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.mesh import CHARTS
from policies.pack import POLICIES
from policies.resources import Resource
from policies.verdicts import REPORT, Judgement, Verdict
from tests import mocks
from tests.builders import with_secrets, write_kubeconfig
from tests.policies.support import judged, registered

ROOT = Path(__file__).parents[2]
SECRETS = ("trust", "gateways")
STACKS = sorted(file.name.split(".")[1] for file in ROOT.glob("Pulumi.*.yaml"))

UNKNOWN_BEFORE = {"kubernetes-remote-secret", "aws-iam-wildcard-actions", "aws-eks-public-endpoint"}
"""Policies about what only the update makes: the content of a Secret, ARNs in documents, addresses of NAT gateways."""

WARNED = {"aws-log-encryption"}
"""Policies that warn of the program's own clusters in AWS."""


def values_of(stack: str, folder: Path) -> dict[str, Any]:
    """The stack file's values, with what they name in place."""
    text = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())
    values = with_secrets({key.removeprefix("istio-mesh:"): value for key, value in text["config"].items()})
    (folder / ".lab").mkdir(exist_ok=True)
    for cluster in values["clusters"]:
        name = cluster["name"]
        if "existing" not in cluster:
            continue
        write_kubeconfig(folder / ".lab", name, file=f"kubeconfig-{name}", server=f"https://{name}:6443")
    for chart in CHARTS if "charts" in values["mesh"] else ():
        place = folder / values["mesh"]["charts"]["folder"].format(version=values["mesh"]["version"]) / chart
        place.mkdir(parents=True, exist_ok=True)
        (place / "Chart.yaml").touch()
    return values


@pytest.fixture(scope="module", params=[(stack, preview) for stack in STACKS for preview in (False, True)], ids=str)
def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bool, list[Verdict], Judgement]:
    stack, preview = request.param
    folder = tmp_path_factory.mktemp("stack")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        values = values_of(stack, folder)
        recording = mocks.run(
            lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"),
            config=values,
            preview=preview,
            secrets=SECRETS,
        )
    config = {"istio-mesh:policies": json.dumps(values["policies"])}
    return (preview, *judged(registered(recording), config=config, stack=stack))


def test_nothing_is_refused_and_every_exemption_is_used(run: tuple[bool, list[Verdict], Judgement]) -> None:
    preview, verdicts, _ = run
    said = {verdict.policy for verdict in verdicts} - {REPORT}
    assert said - WARNED <= (UNKNOWN_BEFORE if preview else set())
    assert all(verdict.severity == "advisory" for verdict in verdicts)


def test_a_preview_judges_all_that_can_be_known(run: tuple[bool, list[Verdict], Judgement]) -> None:
    _, _, judgement = run
    unjudged = {name for name, tally in judgement.tallies.items() if tally.unjudged}
    assert unjudged <= UNKNOWN_BEFORE
    mandatory = {policy.id for policy in POLICIES if policy.severity == "mandatory" and policy.family == "istio"}
    assert mandatory & judgement.tallies.keys(), "Istio's rules have met the stack"


def test_a_bad_change_of_a_stack_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what a stack may write itself: nothing of the program's own models stands in the way of the pack."""
    monkeypatch.chdir(tmp_path)
    values = values_of("local", tmp_path)
    values["objects"] = [
        {
            "kind": "EnvoyFilter",
            "name": "limit",
            "namespace": "exam",
            "spec": {
                "configPatches": [
                    {
                        "applyTo": "HTTP_FILTER",
                        "patch": {
                            "operation": "INSERT_BEFORE",
                            "value": {"name": "envoy.lua", "config": {"code": "x"}},
                        },
                    }
                ]
            },
        }
    ]
    recording = mocks.run(lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"), config=values)
    config = {"istio-mesh:policies": json.dumps(values["policies"])}
    resources: list[Resource] = registered(recording)
    verdicts, _ = judged(resources, config=config, stack="local")
    refused = [verdict for verdict in verdicts if verdict.severity == "mandatory"]
    assert {verdict.policy for verdict in refused} == {"istio-envoyfilter-deprecated"}
    assert {verdict.urn.rpartition("::")[2] for verdict in refused} == {
        "use1-objects-exam.limit",
        "usw2-objects-exam.limit",
    }


def test_the_tools_that_a_stack_may_ask_for_pass_the_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = values_of("local", tmp_path)
    values["telemetry"]["tracing"]["collector"] = {"host": "jaeger.observability.svc.cluster.local"}
    values["telemetry"]["tools"] = {"view": "use1", "prometheus": {}, "grafana": {}, "jaeger": {}, "kiali": {}}
    recording = mocks.run(lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"), config=values)
    assert recording.named("use1-tools-grafana").inputs["chart"] == "grafana"
    config = {"istio-mesh:policies": json.dumps(values["policies"])}
    verdicts, _ = judged(registered(recording), config=config, stack="local")
    assert [verdict for verdict in verdicts if verdict.severity == "mandatory"] == []
