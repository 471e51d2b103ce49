"""The methods of the engine's protocol for providers (pulumi/pulumi, proto/pulumi/provider.proto)."""

# The names and the arguments of the methods are the protocol's.
# ruff: noqa: N802, ARG002

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2
from google.rpc import code_pb2, status_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from lab.aws.plugin import differences, kinds, values
from lab.aws.plugin.clients import Aws
from lab.aws.plugin.kind import KINDS, Gone, Kind
from lab.aws.plugin.schema import UnknownType, schema_of
from lab.aws.plugin.settings import Settings, SettingsFault, read_settings
from lab.aws.plugin.tables import Autoname, Table, tables

assert kinds, "importing the types registers them"


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider of a program: a region of the account."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._settings: Settings | None = None

    # What the engine asks of every plugin.

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=self._version)

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        return empty_pb2.Empty()

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=False, accept_resources=False, accept_outputs=False
        )

    # The provider's own configuration.

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        news = values.read(request.news)
        try:
            read_settings(news, look=False)
        except SettingsFault as fault:
            failures = [provider_pb2.CheckFailure(property=fault.property, reason=str(fault))]
            return provider_pb2.CheckResponse(inputs=request.news, failures=failures)
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        olds, news = values.read(request.old_inputs or request.olds), values.read(request.news)
        changed = sorted(name for name in {*olds, *news} - {"version"} if olds.get(name) != news.get(name))
        # Another region is another place: everything in it is made anew (pulumi-aws, its provider's `region`).
        replaces = [name for name in changed if name == "region"]
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=changed,
            replaces=replaces,
        )

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            self._settings = read_settings(values.read(request.args), look=True)
        except SettingsFault as fault:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{fault.property}: {fault}")
        return provider_pb2.ConfigureResponse(
            acceptSecrets=False, supportsPreview=True, acceptResources=False, acceptOutputs=False
        )

    # Resources.

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        token = _token(request.urn)
        kind, table = self._carried(token, context)
        inputs, olds = values.read(request.news), values.read(request.olds)
        faults = list(self._refused(token, table, inputs))
        if not faults:
            self._default(inputs, olds, table, request)
            faults = list(kind.check(values.known(inputs)))
        return provider_pb2.CheckResponse(
            inputs=values.write(inputs),
            failures=[provider_pb2.CheckFailure(property=name, reason=f"{name} {reason}") for name, reason in faults],
        )

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        token = _token(request.urn)
        _, table = self._carried(token, context)
        olds = values.read(request.old_inputs) or values.read(request.olds)
        return differences.response(table, olds, values.read(request.news), tuple(request.ignoreChanges))

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        kind, _ = self._carried(_token(request.urn), context)
        inputs = values.read(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(id="", properties=values.write(kind.previewed(inputs, {})))
        aws = self._aws(inputs)
        id = self._calling(context, f"creating {request.urn}", lambda: kind.create(aws, inputs))
        try:
            kind.settle(aws, id, inputs)
            found = kind.read(aws, id, inputs)
        except Exception as error:
            _begun(context, id, inputs, f"creating {request.urn}: {_sentence(error)}")
            raise
        return provider_pb2.CreateResponse(id=id, properties=values.write(_told(inputs, found)))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        kind, table = self._carried(_token(request.urn), context)
        known, inputs = values.read(request.properties), values.read(request.inputs)
        aws = self._aws(known)
        try:
            found = self._calling(context, f"reading {request.urn}", lambda: kind.read(aws, request.id, known))
        except Gone:
            return provider_pb2.ReadResponse()
        id = found.pop("id", request.id)
        told = _told(known, found)
        names = inputs.keys() if inputs else table.entries
        present = {name: told[name] for name in names if told.get(name) not in (None, {}, [])}
        return provider_pb2.ReadResponse(id=id, properties=values.write(told), inputs=values.write(present))

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        kind, _ = self._carried(_token(request.urn), context)
        inputs, olds = values.read(request.news), values.read(request.olds)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=values.write(kind.previewed(inputs, olds)))
        aws = self._aws(inputs)
        try:
            kind.update(aws, request.id, inputs, olds)
            found = kind.read(aws, request.id, inputs)
        except Exception as error:
            _begun(context, request.id, olds, f"updating {request.urn}: {_sentence(error)}")
            raise
        found.pop("id", None)
        return provider_pb2.UpdateResponse(properties=values.write(_told(inputs, found)))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        kind, _ = self._carried(_token(request.urn), context)
        known = values.read(request.properties)
        aws = self._aws(known)
        with contextlib.suppress(Gone):
            self._calling(context, f"deleting {request.urn}", lambda: kind.delete(aws, request.id, known))
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            f"{request.tok}: the stand-in carries no function of AWS. The program asks no cloud when it is run: a "
            "preview "
            "on a fresh account has to need nothing but itself.",
        )

    # Parts of the above.

    def _carried(self, token: str, context: grpc.ServicerContext) -> tuple[Kind, Table]:
        kind, table = KINDS.get(token), tables().get(token)
        if kind is None or table is None:
            context.abort(
                grpc.StatusCode.UNIMPLEMENTED,
                f"{token}: the stand-in for AWS does not carry this resource type, and takes none that it does not "
                "carry. "
                "Add it to lab/aws/plugin/kinds and lab/aws/plugin/tables, or do without it.",
            )
            raise AssertionError("abort raises")
        return kind, table

    def _refused(self, token: str, table: Table, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        try:
            yield from schema_of(token).faults(inputs)
        except UnknownType as error:
            yield "", str(error)
            return
        for name in sorted(inputs.keys() - table.entries):
            if name in schema_of(token).inputs:
                yield name, f"has no entry in the stand-in's table of {token} (lab/aws/plugin/tables): add what it does"

    def _default(self, inputs: dict[str, Any], olds: Mapping[str, Any], table: Table, request: Any) -> None:
        for name, value in table.defaults.items():
            inputs.setdefault(name, value)
        if "tags" in table.entries and self._settings and self._settings.default_tags:
            # As pulumi-aws does: the provider's tags are laid below the resource's own when it is checked.
            inputs["tags"] = {**self._settings.default_tags, **inputs.get("tags", {})}
        if table.autoname and not {table.autoname.property, table.autoname.unless} & inputs.keys():
            name = table.autoname.property
            inputs[name] = olds.get(name) or _made_name(table.autoname, request)

    def _aws(self, inputs: Mapping[str, Any]) -> Aws:
        assert self._settings is not None, "the engine configures a provider before it uses it"
        return Aws(inputs.get("region") or self._settings.region, self._settings.account)

    def _calling(self, context: grpc.ServicerContext, what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Gone:
            raise
        except Exception as error:
            context.abort(grpc.StatusCode.UNKNOWN, f"{what}: {_sentence(error)}")


def _token(urn: str) -> str:
    """The type in a URN: `urn:pulumi:stack::project::parent$type::name`."""
    return urn.split("::")[2].rpartition("$")[2]


def _told(inputs: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a resource: what was asked for, and what is there. What is found to be None is not there, even
    if it was asked for.
    """
    told = {name: value for name, value in {**inputs, **found}.items() if value is not None and name != "id"}
    if "tags" in told:
        told.setdefault("tagsAll", told["tags"])
    return told


def _made_name(rule: Autoname, request: Any) -> str:
    name = request.name or request.urn.rpartition("::")[2]
    digits = random.Random(request.randomSeed or name).randbytes(4).hex()[:7]
    return f"{rule.prefix}{name[: rule.longest - len(rule.prefix) - 8]}-{digits}"


def _sentence(error: Exception) -> str:
    return str(error) or type(error).__name__


def _begun(context: grpc.ServicerContext, id: str, properties: Mapping[str, Any], reason: str) -> None:
    """Tell the engine of a resource that is there, but not as it should be: it is kept, and mended by the next run."""
    detail = any_pb2.Any()
    known = values.write(_told(properties, {}))
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(id=id, properties=known, reasons=[reason], inputs=values.write(properties))
    )
    failed = status_pb2.Status(code=code_pb2.UNKNOWN, message=reason, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", failed.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, reason)
