"""The stacks of AWS as their files say them, with nothing of a rehearsal's laid over them: the regions' API servers
accept every chart and every object in a dry run, and the overlay changes what it says and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.aws.rehearsal import overlay
from lab.aws.rehearsal.stacks import STACKS
from tests import mocks
from tests.builders import Yaml
from tests.lab.support.engine import Engine
from tests.lab.support.helm import Release, rendered
from tests.lab.support.site import Site
from tests.test_main_aws import of_file, run

OF_A_REGISTRY = "aws-load-balancer-controller"
"""A chart that no package registry has: its values are compared, and it is not rendered."""

_SIZES = r"(requests|limits)\.(cpu|memory)"
_LACKS = r"PILOT_ENABLE_(ALPN_FILTER|METADATA_EXCHANGE)"
_STATISTICS = r"extensionProviders\[prometheus\]|defaultConfig\.proxyStatsMatcher\.inclusionSuffixes"
_VALUES = r"ConfigMap (istio-sidecar-injector-\S+ data\.values|values-\S+ data\.(original|merged)-values)"
OVERLAID = (
    # Images.
    rf"Deployment \S+ spec\.template\.spec\.containers\[[\w-]+\]\.(image|imagePullPolicy|resources\.{_SIZES})",
    rf"{_VALUES}\.global\.(hub|imagePullPolicy)",
    # Sizes; one replica has neither autoscaler nor budget.
    r"Deployment \S+ spec\.replicas",
    rf"{_VALUES}\.((global\.proxy\.)?resources\.{_SIZES}|replicaCount|autoscale\w+|cpu(\.targetAverageUtilization)?)",
    r"(HorizontalPodAutoscaler|PodDisruptionBudget) \S+",
    # What the lab's Envoy lacks, and what stands in for it.
    rf"Deployment istiod-\S+ spec\.template\.spec\.containers\[discovery\]\.env\[{_LACKS}\]",
    rf"{_VALUES}\.(pilot\.)?env\.{_LACKS}",
    rf"{_VALUES}\.(telemetry\.enabled|meshConfig\.({_STATISTICS}))",
    rf"ConfigMap istio-\S+ data\.mesh\.(defaultProviders|{_STATISTICS})",
    # The lab's load balancers follow at once.
    r"Deployment \S+ spec\.template\.metadata\.annotations\.proxy\.istio\.io/config",
    r"Deployment \S+ spec\.template\.spec\.containers\[istio-proxy\]\.env\[MINIMUM_DRAIN_DURATION\]\.value",
    # Of all that makes a gateway's pod what it is.
    r"Deployment \S+ spec\.template\.metadata\.annotations\.istio-mesh/proxy",
)
"""What the overlay may change of what is rendered: `kind name path`."""


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=() if name == "prod" else pytest.mark.full) for name in STACKS]
)
def stack(request: pytest.FixtureRequest) -> str:
    """Each takes most of a minute; `prod` is the one that everybody waits for."""
    return request.param


@pytest.fixture(scope="module")
def plain(stack: str) -> mocks.Recording:
    """All that the program asks for, of the stack's file."""
    return run(of_file(stack))


@pytest.fixture(scope="module")
def overlaid(stack: str) -> mocks.Recording:
    """The same with the rehearsal's overlay."""
    over = {key.removeprefix("istio-mesh:"): value for key, value in overlay.load().items()}
    return run(overlay.laid_over(of_file(stack), over))


def _of(recording: mocks.Recording, cluster: str) -> Iterator[mocks.Registered]:
    """What is made in one cluster."""
    for found in recording.resources:
        if found.provider == f"{cluster}-provider" and found.type.startswith("kubernetes:"):
            yield found


def _releases(recording: mocks.Recording, engine: Engine) -> dict[str, Release]:
    """Helm's of all clusters, by the resource's name, with the charts that the lab built of the same version."""
    return {
        found.name: Release(
            str(engine.root / ".lab" / "charts" / found.inputs["version"] / Path(found.inputs["chart"]).name),
            found.inputs["name"],
            found.inputs["namespace"],
            found.inputs["values"],
            label=found.name,
        )
        for found in recording.of_type("Release")
        if Path(found.inputs["chart"]).name != OF_A_REGISTRY
    }


@pytest.fixture(scope="module")
def charts(
    plain: mocks.Recording, overlaid: mocks.Recording, engine: Engine, env: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, list[Yaml]], dict[str, list[Yaml]]]:  # fmt: skip
    """The objects of each release, of the file and with the overlay."""
    of_file = _releases(plain, engine)
    # The overlay names folders, and no version beside them.
    versions = {found.name: found.inputs["version"] for found in plain.of_type("Release")}
    for found in overlaid.of_type("Release"):
        found.inputs["version"] = versions[found.name]
    folder = tmp_path_factory.mktemp("charts")
    return (
        rendered(list(of_file.values()), env, folder / "plain"),
        rendered(list(_releases(overlaid, engine).values()), env, folder / "overlaid"),
    )


def _accepted(site: Site, objects: list[Yaml], namespace: str | None = None) -> int:
    """How many objects the API server would keep: it checks them all, with istiod's webhook, and changes none."""
    where = () if namespace is None else ("-n", namespace)
    words = ("apply", "--dry-run=server", "--server-side", "--force-conflicts", *where, "-o", "name", "-f", "-")
    kept = site.kubectl.run(*words, stdin=yaml.safe_dump_all(objects)).out.split()
    assert len(kept) == len(objects)
    return len(kept)


def _new(found: Yaml) -> Yaml:
    """A Service under another name: the lab's own has a load balancer of another class, which can never change."""
    if found["kind"] != "Service":
        return found
    return {**found, "metadata": {**found["metadata"], "name": f"{found['metadata']['name']}-of-aws"}}


@pytest.mark.proof(
    "A6", "staging and prod as their files say them: API servers accept every chart and object in a dry run"
)
def test_all_of_a_stack_is_accepted(
    stack: str,
    sites: Mapping[str, Site],
    plain: mocks.Recording,
    charts: tuple[dict[str, list[Yaml]], dict[str, list[Yaml]]],
    record: Callable[..., None],
) -> None:
    counted: dict[str, dict[str, int]] = {}
    for name, site in sites.items():
        mine = list(_of(plain, name))
        releases = [found for found in mine if found.type.endswith(":Release")]
        objects = [found.inputs for found in mine if found not in releases]
        assert {"Gateway", "DestinationRule", "VirtualService"} <= {found["kind"] for found in objects}
        of_charts = 0
        for found in releases:
            if found.inputs["chart"] != OF_A_REGISTRY:
                of_charts += _accepted(site, list(map(_new, charts[0][found.name])), found.inputs["namespace"])
        counted[name] = {"objects": _accepted(site, objects), "of_charts": of_charts}
    record(stack=stack, **counted)


@pytest.mark.proof("A6", "what a rehearsal lays over staging and prod changes images, sizes and the lab's Envoy alone")
def test_the_overlay_changes_what_it_says(
    stack: str,
    plain: mocks.Recording,
    overlaid: mocks.Recording,
    charts: tuple[dict[str, list[Yaml]], dict[str, list[Yaml]]],
    record: Callable[..., None],
) -> None:
    asked, rehearsed = ({(f.type, f.name): f for f in recording.resources} for recording in (plain, overlaid))
    assert asked.keys() == rehearsed.keys()
    others = [
        name
        for (kind, name), found in asked.items()
        if not kind.endswith(":Release") and _settled(found.inputs) != _settled(rehearsed[kind, name].inputs)
    ]
    assert not others, others
    for found in plain.of_type("Release"):
        if found.inputs["chart"] == OF_A_REGISTRY:
            assert found.inputs["values"] == rehearsed[found.type, found.name].inputs["values"]
    differing: set[str] = set()
    for name, objects in charts[0].items():
        of_file, over = (
            {f"{found['kind']} {found['metadata']['name']}": found for found in each}
            for each in (objects, charts[1][name])
        )
        for key in of_file.keys() | over.keys():
            differing |= {f"{key}{path}" for path in _differing(of_file.get(key), over.get(key))}
    beside = sorted(path for path in differing if not any(re.fullmatch(each, path) for each in OVERLAID))
    assert not beside, beside
    unused = [each for each in OVERLAID if not any(re.fullmatch(each, path) for path in differing)]
    assert not unused, f"nothing of the kind differs any more: {unused}"
    record(stack=stack, resources=len(asked), differing=len(differing), paths=sorted(differing))


def _settled(inputs: Any) -> str:
    """Without what is drawn anew in each run: keys and certificates."""
    return re.sub(r"-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----|[A-Za-z0-9+/=]{200,}", "", json.dumps(inputs))


def _differing(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Where two objects differ; items of a list by their names, and what is written within a text too."""
    if one == other:
        return
    one, other = _read(one), _read(other)
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _differing(one.get(key), other.get(key), f"{path}.{key}" if path else f" {key}")
    elif named := _named(one, other):
        for key in sorted(named[0].keys() | named[1].keys()):
            yield from _differing(named[0].get(key), named[1].get(key), f"{path}[{key}]")
    else:
        yield path


def _read(value: Any) -> Any:
    """What a ConfigMap holds as a text."""
    return yaml.safe_load(value) if isinstance(value, str) and "\n" in value else value


def _named(one: Any, other: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
    if not (isinstance(one, list) and isinstance(other, list)):
        return None
    if not all(isinstance(item, dict) and "name" in item for item in (*one, *other)):
        return None
    return {item["name"]: item for item in one}, {item["name"]: item for item in other}
