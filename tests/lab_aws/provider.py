"""What the engine is to the provider: a client of its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import status_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from lab.aws.plugin import values
from lab.aws.plugin.provider import Provider

SEED = bytes(range(16))


class Refused(Exception):
    """The provider refuses. `begun`: id of what is there nevertheless."""

    def __init__(self, message: str, begun: str | None = None) -> None:
        super().__init__(message)
        self.begun = begun


@dataclass(frozen=True)
class Made:
    """A resource: what the engine would keep of it."""

    urn: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.outputs[name]


class Engine:
    """A region's provider, and the calls that the engine would make of it."""

    def __init__(self, region: str, **settings: Any) -> None:
        self._server = grpc.server(ThreadPoolExecutor(max_workers=4))
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider("7.51.1"), self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self.call("Configure", provider_pb2.ConfigureRequest(args=values.write({"region": region, **settings})))

    def close(self) -> None:
        self._channel.close()
        self._server.stop(None).wait()

    def call(self, method: str, request: Any) -> Any:
        try:
            return getattr(self.stub, method)(request, timeout=30)
        except grpc.RpcError as error:
            raise Refused(str(error.details()), _begun(error)) from error  # type: ignore[attr-defined]

    def check(
        self, token: str, name: str, inputs: Mapping[str, Any], olds: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        request = provider_pb2.CheckRequest(
            urn=urn(token, name), name=name, news=values.write(inputs), olds=values.write(olds or {}), randomSeed=SEED
        )
        answer = self.call("Check", request)
        if answer.failures:
            raise Refused("; ".join(each.reason for each in answer.failures))
        return values.read(answer.inputs)

    def preview(self, token: str, name: str, /, **inputs: Any) -> dict[str, Any]:
        checked = self.check(token, name, inputs)
        request = provider_pb2.CreateRequest(urn=urn(token, name), properties=values.write(checked), preview=True)
        return values.read(self.call("Create", request).properties)

    def make(self, token: str, name: str = "it", /, **inputs: Any) -> Made:
        checked = self.check(token, name, inputs)
        request = provider_pb2.CreateRequest(urn=urn(token, name), properties=values.write(checked))
        answer = self.call("Create", request)
        return Made(urn(token, name), answer.id, checked, values.read(answer.properties))

    def diff(self, made: Made, /, **inputs: Any) -> tuple[dict[str, str], bool]:
        """The paths that change with the kind of each, and whether the old one has to go first."""
        name = made.urn.rpartition("::")[2]
        checked = self.check(token_of(made.urn), name, inputs, made.inputs)
        answer = self.call("Diff", self._diff_request(made, checked))
        kinds = provider_pb2.PropertyDiff.Kind
        return {path: kinds.Name(each.kind) for path, each in answer.detailedDiff.items()}, answer.deleteBeforeReplace

    def _diff_request(self, made: Made, checked: Mapping[str, Any]) -> Any:
        return provider_pb2.DiffRequest(
            id=made.id,
            urn=made.urn,
            olds=values.write(made.outputs),
            old_inputs=values.write(made.inputs),
            news=values.write(checked),
        )

    def update(self, made: Made, /, **inputs: Any) -> Made:
        checked = self.check(token_of(made.urn), made.urn.rpartition("::")[2], inputs, made.inputs)
        request = provider_pb2.UpdateRequest(
            id=made.id, urn=made.urn, olds=values.write(made.outputs), news=values.write(checked)
        )
        answer = self.call("Update", request)
        return Made(made.urn, made.id, checked, values.read(answer.properties))

    def read(self, made: Made) -> dict[str, Any]:
        """What a refresh finds; empty where it is gone."""
        request = provider_pb2.ReadRequest(
            id=made.id, urn=made.urn, properties=values.write(made.outputs), inputs=values.write(made.inputs)
        )
        return values.read(self.call("Read", request).properties)

    def adopt(self, token: str, name: str, id: str) -> Made:  # noqa: A002
        """What an import of an id finds."""
        answer = self.call("Read", provider_pb2.ReadRequest(id=id, urn=urn(token, name)))
        return Made(urn(token, name), answer.id, values.read(answer.inputs), values.read(answer.properties))

    def delete(self, made: Made) -> None:
        request = provider_pb2.DeleteRequest(
            id=made.id, urn=made.urn, properties=values.write(made.outputs), old_inputs=values.write(made.inputs)
        )
        self.call("Delete", request)


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:s::p::{token}::{name}"


def token_of(urn: str) -> str:
    return urn.split("::")[2]


def _begun(error: Any) -> str | None:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            failed = provider_pb2.ErrorResourceInitFailed()
            status.details[0].Unpack(failed)
            return failed.id
    return None
