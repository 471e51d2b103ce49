"""Services in files of their own: merged with those of the stack file, and checked as they are."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.loading import check
from tests.builders import faults_of, stack

WEB: dict[str, Any] = {"ports": {"http": 8080}, "hosts": ["exam-platform.com"]}
API: dict[str, Any] = {"ports": {"http": 8080}, "callers": ["exam/web"]}


def written(folder: Path, name: str, content: Any) -> str:
    file = folder / name
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(file)


def test_services_of_files_are_services_of_the_stack(tmp_path: Path) -> None:
    written(tmp_path, "services-a.yaml", {"exam/web": WEB})
    written(tmp_path, "services-b.yaml", {"exam/api": API})
    values = stack(tmp_path, serviceFiles=[f"{tmp_path}/services-*.yaml"])
    split, faults = check(values)
    assert faults == []
    whole, _ = check(stack(tmp_path, services={"exam/web": WEB, "exam/api": API}))
    assert split is not None
    assert whole is not None
    assert split.services == whole.services
    assert "services" not in values, "what was given is left as it was"


def test_paths_are_relative_to_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "services.yaml", {"exam/web": WEB})
    monkeypatch.chdir(tmp_path)
    config, _ = check(stack(tmp_path, serviceFiles=["services.yaml"]))
    assert config is not None
    assert list(config.services) == ["exam/web"]


def test_a_fault_of_a_service_is_told_as_of_the_stack_file(tmp_path: Path) -> None:
    file = written(tmp_path, "services.yaml", {"exam/web": {**WEB, "timeout": 5}})
    (fault,) = faults_of(tmp_path, {"serviceFiles": [file]})
    assert fault.startswith('istio-mesh:services["exam/web"].timeout: ')


def test_a_file_is_read_as_the_engine_reads_the_stack_file(tmp_path: Path) -> None:
    ports = "ports: {http: 8080}, hosts: [exam-platform.com]"
    content = f"exam/web: {{{ports}, versions: {{1: {{}}, on: {{}}}}, blueGreen: {{active: on}}, stream: true}}"
    config, faults = check(stack(tmp_path, serviceFiles=[written(tmp_path, "services.yaml", content)]))
    assert [str(fault) for fault in faults] == []
    assert config is not None
    service = config.services["exam/web"]
    assert list(service.versions) == ["1", "on"]
    assert service.blue_green is not None
    assert service.blue_green.active == "on"
    assert service.stream is True


def test_a_file_that_two_patterns_match_is_read_once(tmp_path: Path) -> None:
    file = written(tmp_path, "services.yaml", {"exam/web": WEB})
    assert faults_of(tmp_path, {"serviceFiles": [file, f"{tmp_path}/*s.yaml"]}) == []


@pytest.mark.parametrize("pattern", ["~nobody-of-that-name/a.yaml", "a**b", "."])
def test_a_pattern_that_matches_nothing_is_no_crash(tmp_path: Path, pattern: str) -> None:
    (fault,) = faults_of(tmp_path, {"serviceFiles": [pattern]})
    assert fault.startswith(f"istio-mesh:serviceFiles[0]: there is no file {pattern}. ")


def test_a_file_with_a_fault_makes_no_other_faults(tmp_path: Path) -> None:
    file = written(tmp_path, "services.yaml", "{")
    (fault,) = faults_of(tmp_path, {"services": {"exam/api": API}, "serviceFiles": [file]})
    assert "cannot be read" in fault, "nothing of the caller exam/web, which may well be in the file"


CASES: list[tuple[str, str, str]] = [
    (
        "no such file",
        "",
        "istio-mesh:serviceFiles[0]: there is no file FOLDER/services.yaml. Its services would be taken out of the "
        "mesh. Mend the path. Paths are relative to Pulumi.yaml.",
    ),
    (
        "not a map",
        "- exam/web",
        "istio-mesh:serviceFiles[0]: FOLDER/services.yaml is not a map of services. Its services would be taken out "
        "of the mesh. Write each as below `istio-mesh:services`: `namespace/name:`, and then what it is.",
    ),
    (
        "not YAML",
        "{",
        "istio-mesh:serviceFiles[0]: FOLDER/services.yaml cannot be read: did not find expected node content (line "
        "2). Its services would be taken out of the mesh. Mend the file.",
    ),
    (
        "a key twice",
        "exam/api: {ports: {http: 8080}}\nexam/api: {ports: {http: 8081}}",
        "istio-mesh:serviceFiles[0]: FOLDER/services.yaml cannot be read: `exam/api` is there twice (line 2). Its "
        "services would be taken out of the mesh. Mend the file.",
    ),
    (
        "a key that is a list",
        "? [exam/api]\n: {ports: {http: 8080}}",
        "istio-mesh:serviceFiles[0]: FOLDER/services.yaml cannot be read: a key is no text (line 1). Its services "
        "would be taken out of the mesh. Mend the file.",
    ),
    (
        "a service of the stack file",
        yaml.safe_dump({"exam/web": WEB}),
        "istio-mesh:serviceFiles[0]: `exam/web` is in FOLDER/services.yaml and in the stack file. One of the two "
        "would be lost. Say each service once.",
    ),
]


@pytest.mark.parametrize(("content", "fault"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_of_a_file_names_it(tmp_path: Path, content: str, fault: str) -> None:
    file = tmp_path / "services.yaml"
    if content:
        written(tmp_path, file.name, content)
    assert faults_of(tmp_path, {"services": {"exam/web": WEB}, "serviceFiles": [str(file)]}) == [fault]
