"""One recording engine for all unit tests: runs a program without clusters and tells what it asked for.

The engine's side of it is honest where a test could otherwise pass by accident: this program's own dynamic resources
run their real providers (certificates are real ones), unknown outputs stay unknown in a preview, and a registration
is recorded with its parent, its provider and what it depends on.
"""

import asyncio
import base64
import contextvars
import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import dill
from pulumi.output import Unknown
from pulumi.runtime import mocks, rpc
from pulumi.runtime.settings import SETTINGS, set_root_resource
from pulumi.runtime.stack import run_in_stack

from tests import builders

DEADLINE = 30.0
"""Seconds after which a program that waits for itself is a failed test."""

PROJECT, STACK = "istio-mesh", "test"

Properties = dict[str, Any]


@dataclass(frozen=True)
class Registered:
    """One resource as the program asked for it."""

    type: str
    name: str
    inputs: Properties
    urn: str
    parent: str | None
    """Name of the parent; None below the stack itself."""
    provider: str | None
    """Name of the explicit provider; None for the default one."""
    dependencies: frozenset[str]
    """Names of the resources that must be there first, by data flow or by depends_on."""
    secrets: frozenset[str]
    """Top-level inputs that are secret."""
    additional_secret_outputs: frozenset[str]
    custom: bool
    options: Any = field(repr=False)
    """The raw request, for what is not above."""


@dataclass
class Recording:
    """What a program did."""

    resources: list[Registered] = field(default_factory=list)
    outputs: Properties = field(default_factory=dict)
    """What it exported, in plain."""
    secret_outputs: frozenset[str] = frozenset()
    unknown_outputs: frozenset[str] = frozenset()
    reads: list[tuple[str, str, str]] = field(default_factory=list)
    """(type, name, id) of what was read and not made."""
    logs: list[tuple[str, str]] = field(default_factory=list)
    """(level, message)"""

    def of_type(self, type_: str) -> list[Registered]:
        """All of a type token, or of its last part: `Secret`, `ControlPlane`."""
        return [found for found in self.resources if type_ in (found.type, found.type.rpartition(":")[2])]

    def named(self, name: str, type_: str | None = None) -> Registered:
        """The one of that logical name (and type, where a component shares its child's name)."""
        found = [r for r in self.resources if r.name == name and (type_ is None or r in self.of_type(type_))]
        assert len(found) == 1, f"{len(found)} resources are named {name}; there are {self.names}"
        return found[0]

    @property
    def names(self) -> list[str]:
        return [found.name for found in self.resources]

    def ancestry(self, name: str) -> Iterator[str]:
        """The names of a resource's parents, from the nearest one upwards."""
        parents = {found.name: found.parent for found in self.resources}
        above = parents[name]
        while above is not None:
            yield above
            above = parents[above]

    def warnings(self) -> list[str]:
        return [message for level, message in self.logs if level == "WARNING"]


Outputs = Callable[[mocks.MockResourceArgs], Properties]


class Engine(mocks.Mocks):
    """Answers for providers. `answers` adds outputs by type token and wins over the ones below; `stacks` are the
    outputs of other stacks, by their full names."""

    def __init__(
        self,
        answers: Mapping[str, Outputs] | None = None,
        *,
        preview: bool = False,
        stacks: Mapping[str, Properties] | None = None,
    ) -> None:
        self.answers: dict[str, Outputs] = {**_ANSWERS, **(answers or {})}
        self.preview = preview
        self.stacks = stacks or {}

    def call(self, args: mocks.MockCallArgs) -> tuple[Properties, list[tuple[str, str]] | None]:
        if args.token == "pulumi:pulumi:readStackOutputs":
            if args.args["name"] not in self.stacks:
                # In the engine's words.
                said = f'invocation of {args.token} returned an error: unknown stack "{args.args["name"]}"'
                return {}, [("", said)]
            return {"outputs": self.stacks[args.args["name"]]}, []
        raise AssertionError(f"the program called {args.token}: it has to know its clusters without asking")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, Properties]:
        if args.typ == "pulumi:pulumi:StackReference":
            # A stack's outputs are known in a preview too.
            return args.resource_id, {"name": args.resource_id, "outputs": self.stacks[str(args.resource_id)]}
        answer = self.answers.get(args.typ)
        if answer is not None:
            known = {} if self.preview else answer(args)
            unknown = dict.fromkeys(answer(args), rpc.UNKNOWN) if self.preview else {}
            return self._id(args), {**args.inputs, **unknown, **known}
        if "__provider" in args.inputs and not self.preview:
            return self._dynamic(args)
        return self._id(args), dict(args.inputs)

    def _id(self, args: mocks.MockResourceArgs) -> str | None:
        if args.resource_id:
            return args.resource_id
        if not args.custom:
            return None
        return rpc.UNKNOWN if self.preview else f"{args.name}-id"

    def _dynamic(self, args: mocks.MockResourceArgs) -> tuple[str, Properties]:
        """Checks and creates with the real provider, as the engine's plugin does."""
        inputs = plain(args.inputs)
        provider = dill.loads(base64.b64decode(inputs["__provider"]))
        checked = provider.check({}, inputs)
        assert not checked.failures, f"{args.name}: {[failure.reason for failure in checked.failures]}"
        created = provider.create(checked.inputs)
        return created.id, {**(created.outs or {}), "__provider": inputs["__provider"]}


class Monitor(mocks.MockMonitor):
    """Records each registration with the options that `Mocks` does not see."""

    def __init__(self, engine: Engine, recording: Recording, project: str) -> None:
        super().__init__(engine)
        self.recording = recording
        self.project = project

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        # The inherited one asks the settings, which the engine's threads do not have.
        qualified = f"{parent.split('::')[2].split('$')[-1]}${type_}" if parent else type_
        return f"urn:pulumi:{STACK}::{self.project}::{qualified}::{name}"

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (the protocol's name)
        response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            inputs = rpc.deserialize_properties(request.object, True)
            self.recording.resources.append(
                Registered(
                    type=request.type,
                    name=request.name,
                    inputs=plain(inputs),
                    urn=response.urn,
                    parent=_name(request.parent),
                    provider=_name(request.provider.rpartition("::")[0]) if request.provider else None,
                    dependencies=frozenset(name for urn in request.dependencies if (name := _name(urn))),
                    secrets=frozenset(key for key, value in inputs.items() if _holds_secret(value)),
                    additional_secret_outputs=frozenset(request.additionalSecretOutputs),
                    custom=request.custom,
                    options=request,
                )
            )
        for key in request.additionalSecretOutputs:
            if key in response.object.fields:
                _mark_secret(response.object, key)
        return response

    def ReadResource(self, request: Any) -> Any:  # noqa: N802
        self.recording.reads.append((request.type, request.name, request.id))
        return super().ReadResource(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        if request.urn.endswith(f"pulumi:pulumi:Stack::{self.project}-{STACK}"):
            outputs = rpc.deserialize_properties(request.outputs, True)
            self.recording.outputs = plain(outputs)
            self.recording.secret_outputs = frozenset(k for k, v in outputs.items() if _holds_secret(v))
            self.recording.unknown_outputs = frozenset(k for k, v in outputs.items() if isinstance(v, Unknown))
        return super().RegisterResourceOutputs(request)


class _Handler(logging.Handler):
    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self.recording = recording

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.INFO:
            self.recording.logs.append((record.levelname, record.getMessage()))


def run(
    program: Callable[[], Any],
    *,
    config: Mapping[str, Any] | None = None,
    secrets: Collection[str] = (),
    answers: Mapping[str, Outputs] | None = None,
    preview: bool = False,
    stacks: Mapping[str, Properties] | None = None,
    project: str = PROJECT,
) -> Recording:
    """Runs a program to its end. `config` is the stack file's `config:` block without the namespace; `secrets` names
    the values of it that hold some.

    Raises whatever the program raises, from `apply` too.
    """
    recording = Recording()
    logger = logging.Logger("pulumi-test", logging.DEBUG)
    logger.addHandler(_Handler(recording))
    engine = Engine(answers, preview=preview, stacks=stacks)
    environment = {
        "PULUMI_CONFIG": json.dumps({f"{project}:{k}": _text(v) for k, v in (config or {}).items()}),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps([f"{project}:{key}" for key in secrets]),
    }

    def inside() -> None:
        # One loop for all: set_mocks makes futures, and they must belong to the loop in which the program runs.
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        # The SDK's mocks give each thread that calls them a loop and never close it: what the collector later finds
        # of it fails whichever test runs then.
        threads: list[asyncio.AbstractEventLoop] = []
        loop.set_default_executor(ThreadPoolExecutor(initializer=_with_a_loop, initargs=(threads,)))
        try:
            monitor = Monitor(engine, recording, project)
            mocks.set_mocks(engine, project, STACK, preview=preview, logger=logger, monitor=monitor)
            # The root that set_mocks made has told its outputs already; run_in_stack makes one for the program's.
            set_root_resource(None)  # pyright: ignore[reportArgumentType]
            loop.run_until_complete(asyncio.wait_for(run_in_stack(program), DEADLINE))
        finally:
            _end(loop)
            asyncio.set_event_loop(None)
            for each in (loop, *threads):
                each.close()

    with patch.dict("os.environ", environment):
        contextvars.copy_context().run(inside)
    return recording


def _with_a_loop(loops: list[asyncio.AbstractEventLoop]) -> None:
    loops.append(asyncio.new_event_loop())
    asyncio.set_event_loop(loops[-1])


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """A program that failed leaves registrations under way and outputs that nobody waits for, which a later test would
    come upon in a loop that is closed."""
    # What it failed of has been raised.
    loop.set_exception_handler(lambda _loop, _context: None)
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_default_executor())
    # Its attributes are made at run time.
    settings: Any = SETTINGS
    with settings.lock:
        settings.outputs.clear()


def plain(value: Any) -> Any:
    """A deserialised value with its secrets unwrapped."""
    if rpc.is_rpc_secret(value):
        return plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def _mark_secret(outputs: Any, key: str) -> None:
    """Wraps an output as the engine does for additional_secret_outputs."""
    value = outputs.fields[key]
    wrapped = type(outputs)()
    wrapped.fields[rpc._special_sig_key].string_value = rpc._special_secret_sig
    wrapped.fields["value"].CopyFrom(value)
    outputs.fields[key].struct_value.CopyFrom(wrapped)


def _holds_secret(value: Any) -> bool:
    if rpc.is_rpc_secret(value):
        return True
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_holds_secret(item) for item in items)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _name(urn: str) -> str | None:
    return None if not urn or "pulumi:pulumi:Stack::" in urn else urn.rpartition("::")[2]


def _load_balancer(args: mocks.MockResourceArgs) -> Properties:
    """A Service's address that is its own, so that a test sees a mix-up of two clusters."""
    number = sum(args.name.encode()) % 250 + 1
    return {"status": {"loadBalancer": {"ingress": [{"ip": f"192.0.2.{number}"}]}}}


def _service(args: mocks.MockResourceArgs) -> Properties:
    return {**_load_balancer(args), "spec": {"type": "LoadBalancer"}}


def _secret(args: mocks.MockResourceArgs) -> Properties:
    """The API server fills a service account's token in."""
    if plain(args.inputs).get("type") != "kubernetes.io/service-account-token":
        return {}
    token = base64.b64encode(f"token-of-{args.name}".encode()).decode()
    return {"data": {"ca.crt": base64.b64encode(f"ca-of-{args.name}".encode()).decode(), "token": token}}


def _reachability(args: mocks.MockResourceArgs) -> Properties:
    """A cluster that is there: what the check would have found."""
    return {"uid": f"uid-{args.name}", "kubernetes_version": "v1.35.4"}


def _release(args: mocks.MockResourceArgs) -> Properties:
    """What Helm says of a release that it has deployed."""
    inputs = plain(args.inputs)
    return {"status": {"status": "deployed", "name": inputs.get("name"), "namespace": inputs.get("namespace")}}


def _eks_cluster(args: mocks.MockResourceArgs) -> Properties:
    inputs = plain(args.inputs)
    host = f"https://{args.name.upper()}.gr7.eks.amazonaws.com"
    return {
        "endpoint": host,
        "certificateAuthority": {"data": base64.b64encode(builders.authority(args.name).certificate.encode()).decode()},
        "identities": [{"oidcs": [{"issuer": f"https://oidc.eks.amazonaws.com/id/{args.name.upper()}"}]}],
        "vpcConfig": {**inputs["vpcConfig"], "clusterSecurityGroupId": f"{args.name}-group"},
    }


def _arn(args: mocks.MockResourceArgs) -> Properties:
    return {"arn": f"arn:aws:test:::{args.name}"}


def _key(args: mocks.MockResourceArgs) -> Properties:
    return {**_arn(args), "keyId": f"{args.name}-key"}


def public_ip(name: str) -> str:
    """The address that an elastic IP of that logical name has here."""
    return f"198.51.100.{sum(name.encode()) % 250 + 1}"


def _address(args: mocks.MockResourceArgs) -> Properties:
    return {"publicIp": public_ip(args.name)}


def _signed(args: mocks.MockResourceArgs) -> Properties:
    """What AWS Private CA would answer: its authority stands below a root."""
    inputs = plain(args.inputs)
    root = builders.authority("Private root")
    authority = builders.authority("Private CA", issuer=root)
    request = inputs["certificateSigningRequest"]
    if not isinstance(request, str):
        # In a preview it is not known.
        return {"certificate": "", "certificateChain": ""}
    return {
        "certificate": builders.sign_request(request, authority, days=int(inputs["validity"]["value"])),
        "certificateChain": authority.certificate + root.certificate,
    }


_ANSWERS: dict[str, Outputs] = {
    "aws:acmpca/certificate:Certificate": _signed,
    "aws:eks/cluster:Cluster": _eks_cluster,
    "aws:cloudwatch/logGroup:LogGroup": _arn,
    "aws:iam/role:Role": _arn,
    "aws:kms/key:Key": _key,
    "aws:ec2/eip:Eip": _address,
    "aws:ec2/launchTemplate:LaunchTemplate": lambda _: {"latestVersion": 3},
    "aws:ec2transitgateway/transitGateway:TransitGateway": lambda args: {
        "associationDefaultRouteTableId": f"{args.name}-routes"
    },
    "kubernetes:core/v1:Service": _service,
    "kubernetes:core/v1:Secret": _secret,
    "pulumi-python:dynamic/istio-mesh:Reachability": _reachability,
    "pulumi-python:dynamic/istio-mesh:Injection": lambda _: {},
    "kubernetes:helm.sh/v3:Release": _release,
}
