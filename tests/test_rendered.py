"""What is rendered as a whole: the same whatever the order of keys, each object once."""

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings

from components.config import StackConfig
from components.config.loading import check
from tests.builders import Yaml, put, stack_config
from tests.builders import stack as builders_stack
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


def test_the_order_of_keys_changes_nothing_of_the_exam_platform(tmp_path: Path) -> None:
    """Among it what no model reads: the configuration of a module, and objects that are written out."""
    one, other = stack_config(tmp_path, **EXAM), stack_config(tmp_path, **turned(EXAM))
    for cluster in ("use1", "usw2"):
        for found, again in zip(documents(one, cluster), documents(other, cluster), strict=True):
            assert json.dumps(found) == json.dumps(again)


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
