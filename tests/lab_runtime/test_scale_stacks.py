"""The stacks that scale is measured with: what a platform says, the same each time, taken by the models."""

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.loading import check
from lab.scale import processes, stacks
from tests.builders import stack


def generated(folder: Path, services: int, regions: int) -> dict[str, Any]:
    base = stack(folder, stacks.region_names(regions))
    values = stacks.values(services, base["clusters"], charts=str(folder))
    del values["mesh"]["charts"]
    return values


@pytest.mark.parametrize(("services", "regions"), [(0, 2), (1, 2), (10, 1), (10, 2), (100, 5), (1000, 10)])
def test_the_models_take_it(tmp_path: Path, services: int, regions: int) -> None:
    config, faults = check(generated(tmp_path, services, regions))
    assert [str(fault) for fault in faults] == []
    assert config is not None
    assert len(config.services) == services


def test_it_is_the_same_each_time(tmp_path: Path) -> None:
    assert json.dumps(generated(tmp_path, 100, 2)) == json.dumps(generated(tmp_path, 100, 2))


def test_services_differ_as_those_of_a_platform(tmp_path: Path) -> None:
    services = generated(tmp_path, 1000, 2)["services"]
    said = Counter(key for service in services.values() for key in service)
    for word in ("versions", "routes", "canary", "blueGreen", "failover", "access", "rateLimit", "hosts", "regions"):
        assert 0.03 <= said[word] / len(services) <= 0.5, f"{word}: {said[word]}"
    calls = Counter(caller for service in services.values() for caller in service.get("callers", ()))
    assert max(calls.values()) < 40, "no service calls the whole mesh"
    assert len({key.partition("/")[0] for key in services}) == 50


def test_a_written_stack_is_what_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = generated(tmp_path, 50, 2)
    file = stacks.write(values, tmp_path)
    raw = {key.partition(":")[2]: value for key, value in yaml.safe_load(file.read_text())["config"].items()}
    written, faults = check(raw)
    assert faults == []
    meant, _ = check(values)
    assert written is not None
    assert meant is not None
    assert written.platform.services == meant.platform.services


def test_a_command_is_measured_with_its_children(tmp_path: Path) -> None:
    child = "import time; held = b'x' * (64 << 20); time.sleep(1)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    use = processes.measured([sys.executable, "-c", script], environment=os.environ, folder=tmp_path, deadline=30)
    assert use.peak > 64 * 2**20
    assert 1 < use.seconds < 30
