from __future__ import annotations

import json
import os
import select
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from lab.pulumi_host.children import Children
from lab.pulumi_host.host import LanguageHost
from lab.pulumi_host.interpreter import InterpreterError, interpreter_for

# Stands for upstream's pulumi-language-python-exec: runs the program's text with what the host gives it.
EXEC = """
import os, sys
exec(open(os.path.join(sys.argv[-1], "__main__.py")).read())
"""


class Engine:
    """What the engine is to the host: a client, and a project."""

    def __init__(self, project: Path, stub: Any) -> None:
        self.project = project
        self.stub = stub

    def info(self, **options: str) -> Any:
        struct = struct_pb2.Struct()
        struct.update({"virtualenv": sys.prefix, **options})
        return language_pb2.ProgramInfo(
            root_directory=str(self.project), program_directory=str(self.project), entry_point=".", options=struct
        )

    def run(self, program: str, **request: Any) -> Any:
        (self.project / "__main__.py").write_text(program)
        return self.stub.Run.future(
            language_pb2.RunRequest(info=self.info(), pwd=str(self.project), parallel=4, **request), timeout=10
        )


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "exec").write_text(EXEC)
    children = Children()
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    host = LanguageHost(engine="127.0.0.1:1", program=tmp_path / "exec", version="3.259.0", children=children)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Engine(project, language_pb2_grpc.LanguageRuntimeStub(channel))
    children.end()
    server.stop(None).wait()


def test_a_program_gets_its_settings_and_its_configuration_with_the_names_of_the_secrets(engine: Engine) -> None:
    told = engine.project / "told.json"
    program = f"""
import json
json.dump([sys.argv[1:], os.environ["PULUMI_CONFIG"], os.environ["PULUMI_CONFIG_SECRET_KEYS"], os.getcwd()],
          open({str(told)!r}, "w"))
"""
    answer = engine.run(
        program,
        project="mesh",
        stack="local",
        organization="organization",
        monitor_address="127.0.0.1:2",
        dryRun=True,
        config={"mesh:key": "value"},
        configSecretKeys=["mesh:key"],
    ).result()
    assert (answer.error, answer.bail) == ("", False)
    arguments, config, secrets, folder = json.loads(told.read_text())
    assert arguments == [
        *("--monitor", "127.0.0.1:2", "--engine", "127.0.0.1:1", "--project", "mesh", "--stack", "local"),
        *("--organization", "organization", "--root_directory", str(engine.project), "--pwd", str(engine.project)),
        *("--parallel", "4", "--dry_run", "true", str(engine.project)),
    ]
    assert json.loads(config) == {"mesh:key": "value"}
    assert json.loads(secrets) == ["mesh:key"]
    assert folder == str(engine.project)


@pytest.mark.parametrize(
    ("program", "error", "bail"),
    [
        ("pass", "", False),
        ("sys.exit(32)", "", True),
        ("sys.exit(1)", "Program exited with non-zero exit code: 1", False),
        ("os.kill(os.getpid(), 9)", "Program was ended by signal 9", False),
    ],
)
def test_the_end_of_a_program_is_told_to_the_engine(engine: Engine, program: str, error: str, bail: bool) -> None:
    answer = engine.run(program).result()
    assert (answer.error, answer.bail) == (error, bail)


def started(engine: Engine) -> tuple[Any, int]:
    """A program that would run for a minute, and its process."""
    pipe = engine.project / "pid"
    os.mkfifo(pipe)
    run = engine.run(f"import time; open({str(pipe)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    return run, int(pipe.read_text())


def test_a_request_that_the_engine_gives_up_ends_its_program(engine: Engine) -> None:
    run, pid = started(engine)
    run.cancel()
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([handle], [], [], 5)[0], "the program ends"
    os.close(handle)


def test_cancel_ends_what_runs(engine: Engine) -> None:
    run, _ = started(engine)
    engine.stub.Cancel(empty_pb2.Empty(), timeout=5)
    assert run.result().error == "Program was ended by signal 15"


def test_a_policy_packs_output_is_streamed_and_its_status_comes_last(engine: Engine) -> None:
    package = engine.project / "pulumi"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "policy.py").write_text(
        "import os, sys\n"
        "print(' '.join(sys.argv[1:]), os.environ['ADDED'], 'VIRTUAL_ENV' in os.environ)\n"
        "print('oops', file=sys.stderr)\n"
        "sys.exit(5)\n"
    )
    request = language_pb2.RunPluginRequest(
        info=engine.info(),
        pwd=str(engine.project),
        kind="analyzer",
        args=["127.0.0.1:1"],
        env=["ADDED=a=b", "PATH=/no"],
    )
    pieces = list(engine.stub.RunPlugin(request, timeout=10))
    assert b"".join(piece.stdout for piece in pieces).decode() == f"127.0.0.1:1 {engine.project} a=b True\n"
    assert b"".join(piece.stderr for piece in pieces) == b"oops\n"
    assert pieces[-1].WhichOneof("output") == "exitcode"
    assert pieces[-1].exitcode == 5


def test_the_plugins_of_installed_sdks_are_required(engine: Engine) -> None:
    answer = engine.stub.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest(info=engine.info()), timeout=10)
    assert sorted((each.name, each.kind, each.version) for each in answer.packages) == [
        ("aws", "resource", "v7.51.1"),
        ("kubernetes", "resource", "v4.25.0"),
    ]


def test_direct_dependencies_are_those_that_nothing_else_requires(engine: Engine) -> None:
    def names(transitive: bool) -> set[str]:
        request = language_pb2.GetProgramDependenciesRequest(info=engine.info(), transitiveDependencies=transitive)
        return {each.name for each in engine.stub.GetProgramDependencies(request, timeout=10).dependencies}

    assert "pulumi_kubernetes" in names(False)
    assert "grpcio" in names(True) - names(False)


def test_about_names_the_interpreter(engine: Engine) -> None:
    about = engine.stub.About(language_pb2.AboutRequest(info=engine.info()), timeout=10)
    assert about.executable == f"{sys.prefix}/bin/python"
    assert about.version == ".".join(map(str, sys.version_info[:3]))


def test_a_missing_environment_is_told_with_the_commands_that_make_it(engine: Engine) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        engine.stub.About(language_pb2.AboutRequest(info=engine.info(virtualenv=".missing")), timeout=10)
    details = str(refused.value.details())  # type: ignore[attr-defined]
    assert f"python3 -m venv {engine.project}/.missing" in details
    assert f"pip install -r {engine.project}/requirements.txt" in details


def test_a_relative_environment_is_in_the_projects_folder(tmp_path: Path) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").touch()
    python = interpreter_for(str(tmp_path / "pack"), {"virtualenv": "../venv"})
    assert python.executable == tmp_path / "venv" / "bin" / "python"
    assert python.environment()["PATH"].startswith(f"{tmp_path}/venv/bin:")
    assert python.environment()["VIRTUAL_ENV"] == str(tmp_path / "venv")


def test_without_an_environment_the_python_on_path_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_PYTHON_CMD", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InterpreterError, match="no python3 or python on PATH"):
        interpreter_for(str(tmp_path), {})
    (tmp_path / "python3").touch(mode=0o755)
    assert interpreter_for(str(tmp_path), {}).executable == tmp_path / "python3"


def test_another_toolchain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InterpreterError, match="toolchain: poetry needs a full Pulumi installation"):
        interpreter_for(str(tmp_path), {"toolchain": "poetry"})


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.pulumi_host.children.GRACE", 0.1)
    children = Children()
    program = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    child = children.stream([sys.executable, "-c", program], tmp_path, {})
    assert next(child.output()) == ("stdout", b"ready\n")
    ended = threading.Thread(target=children.end)
    ended.start()
    assert child.wait() == -9
    ended.join(5)
