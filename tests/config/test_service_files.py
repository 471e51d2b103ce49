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
        "istio-mesh:serviceFiles[0]: FOLDER/services.yaml cannot be read: did not find expected node content. Its "
        "services would be taken out of the mesh. Mend the file.",
    ),
    (
        "a key twice",
        "exam/api: {ports: {http: 8080}}\nexam/api: {ports: {http: 8081}}",
        "istio-mesh:serviceFiles[0]: FOLDER/services.yaml cannot be read: `exam/api` is there twice. Its services "
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
