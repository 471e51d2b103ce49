"""Istio's own checks of what is rendered, in bulk: whatever the models take, Istio takes, and has nothing to say of.

`make test-istioctl` runs them. A hundred stacks of each kind stand side by side in one mesh, each in namespaces and
with hosts of its own, so that one run of the analysers sees them all. They look at files: those of Istio's
analysers that need pods or Services look at nothing here (`istioctl analyze --verbose --use-kube=false` names them).
"""

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from components.config import StackConfig
from components.config.loading import check
from tests import istioctl as checker
from tests.builders import Yaml, put, stack, stack_config
from tests.istioctl import analysed, expected, may_be_left_out, needs_istioctl, validated
from tests.resources import test_properties as rich
from tests.stacks import EXAM, rendered, stacks

CLUSTERS = ("use1", "usw2")
COUNT = 100

KINDS: Mapping[str, st.SearchStrategy[Yaml]] = {
    "services of all shapes": stacks(),
    "routes, rollouts, regions and public hosts": rich.stacks(),
}

each_kind = pytest.mark.parametrize("kind", KINDS)


def drawn(folder: Path, kind: str, count: int = COUNT) -> list[Yaml]:
    """What so many stacks say that the models take, each in namespaces and with hosts of its own."""
    found: list[Yaml] = []

    # More are drawn than are taken. The same ones each time: what fails here has to fail again.
    @settings(
        max_examples=2 * count,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=rich.SLOW,
    )
    @given(said=KINDS[kind])
    def collect(said: Yaml) -> None:
        if len(found) < count:
            one = apart({"gateways": rich.SERVERS, **said}, len(found))
            if check(stack(folder, CLUSTERS, **one))[0] is not None:
                found.append(one)

    collect()
    assert len(found) == count
    return found


def apart(said: Yaml, number: int) -> Yaml:
    """The same with names that no other stack has; issuers are the same in all."""
    text = re.sub(r'"(exam|results|store)/', rf'"\1-{number:03d}/', json.dumps(said))
    # The addresses of what is outside.
    text = text.replace("203.0.113.", f"203.0.{number}.")
    for word in ("exam-platform.com", "payments.com", '"payments"', '"tls-'):
        text = text.replace(word, re.sub(r"payments|platform|tls", rf"\g<0>-{number:03d}", word))
    return {**json.loads(text), **({"issuers": said["issuers"]} if "issuers" in said else {})}


def together(folder: Path, found: list[Yaml]) -> StackConfig:
    """One stack that says all of it."""
    whole: Yaml = {"services": {}, "issuers": {}, "egress": {}}
    servers: list[Yaml] = []
    for said in found:
        for key, values in whole.items():
            values |= said.get(key, {})
        servers += said["gateways"].get("ingress", {}).get("servers", [])
    return stack_config(folder, CLUSTERS, **whole, gateways={"ingress": {"servers": servers}})


def documents(stack: StackConfig, cluster: str) -> list[Yaml]:
    return [found.manifest({}) for found in rendered(stack, cluster)]


@pytest.mark.istioctl
@needs_istioctl
@each_kind
def test_istio_takes_whatever_the_models_take_and_has_nothing_to_say_of_it(tmp_path: Path, kind: str) -> None:
    whole = together(tmp_path, drawn(tmp_path, kind))

    def checked(cluster: str) -> list[str]:
        file = tmp_path / f"{cluster}.yaml"
        written = documents(whole, cluster)
        validated(file, written)
        return analysed(file, written)

    with ThreadPoolExecutor(len(CLUSTERS)) as pool:
        assert list(pool.map(checked, CLUSTERS)) == [[], []]


@each_kind
def test_side_by_side_stacks_have_the_objects_that_each_has_alone(tmp_path: Path, kind: str) -> None:
    """Else the run in bulk would say nothing of any of them."""
    found = drawn(tmp_path, kind, 10)
    whole = together(tmp_path, found)
    for cluster in CLUSTERS:
        alone = [text for said in found for text in of_services(stack_config(tmp_path, CLUSTERS, **said), cluster)]
        assert len(alone) > 50
        assert sorted(alone) == sorted(of_services(whole, cluster))


def of_services(stack: StackConfig, cluster: str) -> list[str]:
    """All objects but the one Gateway and the one Telemetry of a mesh, which are those of all."""
    return [
        json.dumps(found, sort_keys=True)
        for found in documents(stack, cluster)
        if found["kind"] not in ("Gateway", "Telemetry")
    ]


@pytest.mark.istioctl
@needs_istioctl
def test_istio_takes_what_proxies_tell_however_it_is_said(tmp_path: Path) -> None:
    """The mesh-wide Telemetry, of which a mesh has one."""
    said = [EXAM["telemetry"], {"accessLogs": {"enabled": False}}, {"tracing": EXAM["telemetry"]["tracing"]}]
    for number, telemetry in enumerate(said):
        whole = stack_config(tmp_path, **{**EXAM, "telemetry": telemetry})
        written = documents(whole, "use1")
        validated(tmp_path / f"{number}.yaml", written)
        assert analysed(tmp_path / f"{number}.yaml", written) == []


@pytest.mark.istioctl
@needs_istioctl
def test_istio_takes_a_control_plane_of_two_clusters(tmp_path: Path) -> None:
    config, faults = check(put(stack(tmp_path, **EXAM), "clusters.1.primary", "use1"))
    assert config is not None, faults
    written = documents(config, "use1")
    assert "istiod-gateway" in {found["metadata"]["name"] for found in written}
    validated(tmp_path / "all.yaml", written)


@pytest.mark.istioctl
@needs_istioctl
@pytest.mark.parametrize("cluster", CLUSTERS)
def test_istio_takes_the_exam_platform_and_has_nothing_to_say_of_it(tmp_path: Path, cluster: str) -> None:
    whole = stack_config(tmp_path, **EXAM)
    written = documents(whole, cluster)
    validated(tmp_path / "all.yaml", written)
    assert analysed(tmp_path / "all.yaml", written) == []


@pytest.mark.istioctl
@needs_istioctl
@pytest.mark.parametrize(
    ("right", "wrong", "codes"),
    [
        ('"subset": "canary"', '"subset": "nowhere"', {"IST0101"}),
        ('"gateways": ["istio-ingress/ingress"]', '"gateways": ["istio-ingress/nowhere"]', {"IST0101", "IST0132"}),
        ('"hosts": ["exam-platform.com"], "gateways"', '"hosts": ["exam.com"], "gateways"', {"IST0132"}),
    ],
    ids=["a version that is not there", "a gateway that is not there", "a host that the gateway does not have"],
)
def test_the_checks_above_see(tmp_path: Path, right: str, wrong: str, codes: set[str]) -> None:
    text = json.dumps(documents(stack_config(tmp_path, **EXAM), "use1"))
    assert right in text
    found = analysed(tmp_path / "all.yaml", json.loads(text.replace(right, wrong)))
    assert {message[1:8] for message in found} == codes


ENVOY_FILTER = {
    "code": "IST0133",
    "origin": "EnvoyFilter exam/api.rate-limit",
    "message": "Schema validation warning: EnvoyFilter exposes internal implementation details that may change at any "
    "time. Prefer other APIs if possible, and exercise extreme caution, especially around upgrades.",
}


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, True),
        ({"code": "IST0151"}, False),
        ({"origin": "VirtualService exam/api"}, False),
        ({"message": "Schema validation warning: using deprecated field"}, False),
    ],
)
def test_no_message_is_dropped_but_that_an_envoy_filter_is_one(change: Yaml, outcome: bool) -> None:
    assert expected({**ENVOY_FILTER, **change}) is outcome


@pytest.mark.parametrize(
    ("found", "environment", "outcome"),
    [
        (None, {}, True),
        (None, {"CI": "false"}, True),
        (None, {"CI": "true"}, False),
        ("/usr/bin/istioctl", {}, False),
    ],
)
def test_istioctl_may_be_missing_on_a_persons_machine_alone(
    found: str | None, environment: dict[str, str], outcome: bool
) -> None:
    assert may_be_left_out(found, environment) is outcome


def test_a_run_that_needs_istioctl_and_has_none_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker, "ISTIOCTL", None)
    with pytest.raises(pytest.fail.Exception, match="CI=true, and there is no istioctl on PATH"):
        checker.istioctl("version")
