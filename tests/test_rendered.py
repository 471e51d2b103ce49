"""What is rendered as a whole: the same whatever the order of keys, and taken by Istio's own checks.

The checks need istioctl, which `make up` puts into `.lab/bin`; without one on PATH or there they are skipped.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from components.config import StackConfig
from components.config.loading import check
from components.resources.namespaces import stub_spec
from tests.builders import Yaml, put, stack_config
from tests.builders import stack as builders_stack
from tests.istioctl import istioctl, needs_istioctl
from tests.stacks import EXAM, rendered, stacks

_PROPERTY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def documents(stack: StackConfig, cluster: str) -> list[dict[str, Any]]:
    return [found.manifest({}) for found in rendered(stack, cluster)]


def turned(value: Any) -> Any:
    """The same with the keys of every map in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(item) for key, item in reversed(value.items())}
    return [turned(item) for item in value] if isinstance(value, list) else value


@_PROPERTY
@given(changes=stacks())
def test_the_order_of_keys_changes_nothing(tmp_path: Path, changes: Yaml) -> None:
    one, other = stack_config(tmp_path, **changes), stack_config(tmp_path, **turned(changes))
    for cluster in ("use1", "usw2"):
        assert json.dumps(documents(one, cluster)) == json.dumps(documents(other, cluster))


@_PROPERTY
@given(changes=stacks())
def test_no_two_objects_of_a_cluster_have_one_name(tmp_path: Path, changes: Yaml) -> None:
    stack = stack_config(tmp_path, **changes)
    for cluster in ("use1", "usw2"):
        names = [(found.kind, found.namespace, found.name) for found in rendered(stack, cluster)]
        assert len(set(names)) == len(names)


def remote(folder: Path, changes: Yaml) -> StackConfig:
    """The same stack with usw2 as a remote cluster of use1."""
    values = put(builders_stack(folder, **changes), "clusters.1.primary", "use1")
    config, faults = check(values)
    assert config is not None, [str(fault) for fault in faults]
    return config


@_PROPERTY
@given(changes=stacks())
def test_a_control_plane_of_two_clusters_is_told_what_two_would_be(tmp_path: Path, changes: Yaml) -> None:
    """Each object once, the same as in either cluster where both have their own."""
    own, shared = stack_config(tmp_path, **changes), remote(tmp_path, changes)
    found = {(o.kind, o.namespace, o.name): o.spec for o in rendered(shared, "use1")}
    assert len(found) == len(rendered(shared, "use1"))
    apart = [{(o.kind, o.namespace, o.name): o.spec for o in rendered(own, name)} for name in ("use1", "usw2")]
    istiod = {key for key in found if key[2] == "istiod-gateway"}
    assert set(found) == {*apart[0], *apart[1], *istiod}
    for key, spec in found.items():
        if key[0] == "ServiceEntry":
            # Shown to the callers of both clusters.
            assert spec["exportTo"] == sorted({name for one in apart for name in one.get(key, {}).get("exportTo", ())})
        elif key not in istiod:
            assert all(one[key] == spec for one in apart if key in one)


@pytest.mark.istioctl
@needs_istioctl
def test_istio_takes_a_control_plane_of_two_clusters(tmp_path: Path) -> None:
    stack = remote(tmp_path, EXAM)
    file = tmp_path / "all.yaml"
    written = documents(stack, "use1")
    assert "istiod-gateway" in {found["metadata"]["name"] for found in written}
    file.write_text(yaml.safe_dump_all(written))
    done = istioctl("validate", "-f", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.istioctl
@needs_istioctl
def test_istio_takes_the_exam_platform(tmp_path: Path) -> None:
    stack = stack_config(tmp_path, **EXAM)
    for cluster in ("use1", "usw2"):
        file = tmp_path / f"{cluster}.yaml"
        file.write_text(yaml.safe_dump_all(documents(stack, cluster)))
        done = istioctl("validate", "-f", str(file))
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.istioctl
@needs_istioctl
def test_istio_takes_whatever_the_models_take(tmp_path: Path) -> None:
    """In bulk: one run over the objects of many stacks, each in namespaces of its own file."""
    collected: list[dict[str, Any]] = []

    @settings(max_examples=100, deadline=None, database=None, derandomize=True)
    @given(changes=stacks())
    def collect(changes: Yaml) -> None:
        stack = stack_config(tmp_path, **changes)
        collected.extend(found for cluster in ("use1", "usw2") for found in documents(stack, cluster))

    collect()
    file = tmp_path / "all.yaml"
    unique = {json.dumps(found, sort_keys=True): found for found in collected}
    file.write_text(yaml.safe_dump_all(unique.values()))
    done = istioctl("validate", "-f", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(unique) > 100


@pytest.mark.istioctl
@needs_istioctl
def test_istio_finds_nothing_to_say_of_the_exam_platform(tmp_path: Path) -> None:
    stack = stack_config(tmp_path, **EXAM)
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all([*surroundings(stack), *documents(stack, "use1")]))
    done = istioctl("analyze", "--all-namespaces", "--use-kube=false", "--output=json", str(file))
    # IST0133: an EnvoyFilter is warned about because it is one.
    found = [message for message in json.loads(done.stdout) if message["code"] != "IST0133"]
    assert (done.returncode, found) == (0, []), done.stdout + done.stderr


@pytest.mark.istioctl
@needs_istioctl
def test_the_check_above_sees_a_version_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    written = yaml.safe_dump_all(documents(stack_config(tmp_path, **EXAM), "use1"))
    file.write_text(written.replace("subset: canary", "subset: nowhere"))
    done = istioctl("analyze", "--all-namespaces", "--use-kube=false", "--output=json", str(file))
    assert "IST0101" in {message["code"] for message in json.loads(done.stdout)}


def surroundings(stack: StackConfig) -> list[dict[str, Any]]:
    """What the objects name and others make: namespaces, Services, the ingress's pods and certificates."""
    namespaces = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"istio-injection": "enabled"}},
        }
        for name in stack.platform.namespaces("use1")
    ]
    services = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": service.name, "namespace": service.namespace},
            "spec": {**stub_spec(service), "selector": service.selector},
        }
        for service in stack.platform.present("use1")
    ]
    return [*namespaces, *services]
