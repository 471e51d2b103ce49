"""The methods of the engine's protocol for language hosts."""

# The names and the arguments of the methods are the protocol's.
# ruff: noqa: N802, ARG002

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from lab.pulumi_host.children import Child, Children
from lab.pulumi_host.interpreter import Interpreter, InterpreterError, interpreter_for, virtualenv_of

BAILED = 32
"""The program has shown its error to the person itself (upstream's pulumi-language-python-exec)."""


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs programs with `program` (upstream's pulumi-language-python-exec) and plugins as modules, in `children`.

    engine is the engine's address, version that of the Pulumi SDK that the host itself runs on.
    """

    def __init__(self, *, engine: str, program: Path, version: str, children: Children) -> None:
        self._engine = engine
        self._program = program
        self._version = version
        self._children = children

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=self._version)

    def About(self, request: Any, context: grpc.ServicerContext) -> Any:
        python = _interpreter(request.info, context)
        metadata = {"virtualenv": str(python.virtualenv)} if python.virtualenv else {}
        return language_pb2.AboutResponse(
            executable=str(python.executable), version=python.version(), metadata=metadata
        )

    def GetRequiredPackages(self, request: Any, context: grpc.ServicerContext) -> Any:
        packages: list[Any] = []
        for distribution in _interpreter(request.info, context).installed():
            plugin = distribution.get("plugin", {})
            if plugin.get("resource"):
                packages.append(
                    plugin_pb2.PackageDependency(
                        name=plugin.get("name") or distribution["name"].removeprefix("pulumi").strip("-_"),
                        kind="resource",
                        version=f"v{plugin.get('version') or distribution['version']}",
                        server=plugin.get("server", ""),
                    )
                )
        return language_pb2.GetRequiredPackagesResponse(packages=packages)

    def GetProgramDependencies(self, request: Any, context: grpc.ServicerContext) -> Any:
        installed = _interpreter(request.info, context).installed()
        required = {name for distribution in installed for name in distribution["requires"]}
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=distribution["name"], version=distribution["version"])
                for distribution in installed
                if request.transitiveDependencies or distribution["name"].lower() not in required
            ]
        )

    def Run(self, request: Any, context: grpc.ServicerContext) -> Any:
        python = _interpreter(request.info, context)
        arguments = [str(python.executable), "-u", str(self._program), *self._settings(request)]
        entry = Path(request.info.program_directory) / request.info.entry_point
        environment = python.environment() | {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        child = self._children.run([*arguments, str(entry), *request.args], request.pwd, environment)
        status = _wait(child, context)
        if status == BAILED:
            return language_pb2.RunResponse(bail=True)
        if status < 0:
            return language_pb2.RunResponse(error=f"Program was ended by signal {-status}")
        if status:
            return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {status}")
        return language_pb2.RunResponse()

    def RunPlugin(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        python = _interpreter(request.info, context)
        folder = request.info.program_directory
        start = [str(python.executable), "-u"]
        if request.kind == "analyzer":
            arguments = [*start, "-m", "pulumi.policy", *request.args, folder]
        else:
            arguments = [*start, folder, *request.args]
        environment = python.environment() | dict(each.split("=", 1) for each in request.env if "=" in each)
        if python.virtualenv:
            # The engine sends its own environment along, which must not undo that of the plugin's.
            environment |= {name: python.environment()[name] for name in ("PATH", "VIRTUAL_ENV")}
        child = self._children.stream(arguments, request.pwd, environment)
        yield from _told(child, context, language_pb2.RunPluginResponse)
        yield language_pb2.RunPluginResponse(exitcode=child.wait())

    def InstallDependencies(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        options = _options(request.info)
        virtualenv = virtualenv_of(request.info.root_directory, options)
        if virtualenv and not (virtualenv / "bin" / "python").is_file():
            system = _interpreter_of(request.info.root_directory, {}, context)
            yield from self._step([str(system.executable), "-m", "venv", str(virtualenv)], system, request, context)
        python = _interpreter(request.info, context)
        if (Path(request.directory) / "requirements.txt").is_file():
            arguments = [str(python.executable), "-m", "pip", "install", "--requirement", "requirements.txt"]
            yield from self._step(arguments, python, request, context)

    def RuntimeOptionsPrompts(self, request: Any, context: grpc.ServicerContext) -> Any:
        return language_pb2.RuntimeOptionsResponse()

    def Template(self, request: Any, context: grpc.ServicerContext) -> Any:
        return language_pb2.TemplateResponse()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._children.end()
        return empty_pb2.Empty()

    def _settings(self, request: Any) -> Iterator[str]:
        yield from ("--monitor", request.monitor_address)
        yield from ("--engine", self._engine)
        yield from ("--project", request.project)
        yield from ("--stack", request.stack)
        yield from ("--organization", request.organization)
        yield from ("--root_directory", request.info.root_directory)
        yield from ("--pwd", request.pwd)
        yield from ("--parallel", str(request.parallel))
        if request.dryRun:
            yield from ("--dry_run", "true")

    def _step(
        self, arguments: list[str], python: Interpreter, request: Any, context: grpc.ServicerContext
    ) -> Iterator[Any]:
        child = self._children.stream(arguments, request.directory, python.environment())
        yield from _told(child, context, language_pb2.InstallDependenciesResponse)
        if status := child.wait():
            context.abort(grpc.StatusCode.INTERNAL, f"{' '.join(arguments)} ended with status {status}")


def _options(info: Any) -> Mapping[str, Any]:
    return json_format.MessageToDict(info.options)


def _interpreter(info: Any, context: grpc.ServicerContext) -> Interpreter:
    return _interpreter_of(info.root_directory, _options(info), context)


def _interpreter_of(root: str, options: Mapping[str, Any], context: grpc.ServicerContext) -> Interpreter:
    try:
        return interpreter_for(root, options)
    except InterpreterError as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        raise


def _wait(child: Child, context: grpc.ServicerContext) -> int:
    # Called when the engine gives the request up, and when it is answered: then the process has ended already.
    if not context.add_callback(child.end):
        child.end()
    return child.wait()


def _told(child: Child, context: grpc.ServicerContext, response: type[Any]) -> Iterator[Any]:
    if not context.add_callback(child.end):
        child.end()
    for stream, piece in child.output():
        yield response(**{stream: piece})
