"""The engine's protocol for policy packs, served from `policies.verdicts`.

pulumi-policy serves packs too, and three things keep this one from it (read and tried with 1.21.0). It converts every
resource anew for each policy: 51 s for 5,000 resources and 60 policies, before any of them is judged. It ends a policy
at the first value that is not known, in a stack policy for all resources. And it drops the stack's configuration,
which the engine hands to packs by `ConfigureStack` alone, and where exemptions are. The protocol is in pulumi/pulumi,
proto/pulumi/analyzer.proto.
"""

# The names and the arguments of the methods are the protocol's.
# ruff: noqa: N802, ARG002

import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent import futures
from datetime import UTC, date, datetime
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, plugin_pb2

from policies.catalogue import ADVISORY, MANDATORY, Policy, Severity, by_id
from policies.resources import Resource
from policies.settings import settings
from policies.unknowns import EMPTY, received
from policies.verdicts import OWN, Judgement, Verdict

NAME = "istio-mesh"
"""Of the pack, as the engine shows it."""

# The engine's own limit for messages (sdk/go/common/util/rpcutil): a whole stack goes through in one.
_LARGEST_MESSAGE = 400 * 1024 * 1024

_LEVELS: Mapping[Severity, analyzer_pb2.EnforcementLevel.ValueType] = {
    MANDATORY: analyzer_pb2.MANDATORY,
    ADVISORY: analyzer_pb2.ADVISORY,
}


class Analyzer(analyzer_pb2_grpc.AnalyzerServicer):
    """Judges for the engine. `version` is what the engine shows, unless PulumiPolicy.yaml says another one."""

    def __init__(self, policies: Iterable[Policy], *, version: str = "", today: date | None = None) -> None:
        """`today`: by which exemptions and versions are over; default: the day of the run, in UTC."""
        self._policies = by_id(policies)
        self._version = version
        self._today = today
        self._levels: dict[str, Severity | None] = {}
        self._settings = settings({}, self._policies)
        self._judgement: Judgement | None = None
        # The engine may ask of several resources at once.
        self._lock = threading.Lock()

    def Handshake(self, request: Any, context: Any) -> analyzer_pb2.AnalyzerHandshakeResponse:
        return analyzer_pb2.AnalyzerHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self._version)

    def GetAnalyzerInfo(self, request: Any, context: Any) -> analyzer_pb2.AnalyzerInfo:
        return analyzer_pb2.AnalyzerInfo(
            name=NAME,
            displayName="Istio mesh",
            version=self._version,
            supportsConfig=True,
            policies=[
                *(
                    analyzer_pb2.PolicyInfo(
                        name=policy.id,
                        description=policy.description,
                        enforcementLevel=_LEVELS[policy.severity],
                        policy_type=analyzer_pb2.POLICY_TYPE_RESOURCE
                        if policy.resource_judge
                        else analyzer_pb2.POLICY_TYPE_STACK,
                    )
                    for policy in self._policies.values()
                ),
                *(
                    analyzer_pb2.PolicyInfo(
                        name=name,
                        description=description,
                        enforcementLevel=_LEVELS[severity],
                        policy_type=analyzer_pb2.POLICY_TYPE_STACK,
                    )
                    for name, (severity, description) in OWN.items()
                ),
            ],
        )

    def Configure(self, request: analyzer_pb2.ConfigureAnalyzerRequest, context: Any) -> Empty:
        """Levels of `--policy-pack-config`; a policy that it turns off judges nothing."""
        names: Mapping[int, Severity] = {
            analyzer_pb2.MANDATORY: MANDATORY,
            analyzer_pb2.ADVISORY: ADVISORY,
            analyzer_pb2.REMEDIATE: MANDATORY,
        }
        self._levels = {
            name: names.get(config.enforcementLevel)
            for name, config in request.policyConfig.items()
            if name in self._policies
        }
        self._judgement = None
        return Empty()

    def ConfigureStack(
        self, request: analyzer_pb2.AnalyzerStackConfigureRequest, context: Any
    ) -> analyzer_pb2.AnalyzerStackConfigureResponse:
        self._settings = settings(dict(request.config), self._policies, stack=request.stack, dry_run=request.dry_run)
        self._judgement = None
        return analyzer_pb2.AnalyzerStackConfigureResponse()

    def Analyze(self, request: analyzer_pb2.AnalyzeRequest, context: Any) -> analyzer_pb2.AnalyzeResponse:
        resource = _resource(request)
        with self._lock:
            return self._response(self._current.resource(resource))

    def AnalyzeStack(self, request: analyzer_pb2.AnalyzeStackRequest, context: Any) -> analyzer_pb2.AnalyzeResponse:
        resources = [_resource(found) for found in request.resources]
        with self._lock:
            verdicts = self._current.stack(resources)
            self._judgement = None
        return self._response(verdicts)

    def Remediate(self, request: Any, context: Any) -> analyzer_pb2.RemediateResponse:
        return analyzer_pb2.RemediateResponse()

    def Cancel(self, request: Any, context: Any) -> Empty:
        return Empty()

    @property
    def _current(self) -> Judgement:
        if self._judgement is None:
            today = self._today or datetime.now(UTC).date()
            self._judgement = Judgement(self._policies.values(), self._settings, today=today, levels=self._levels)
        return self._judgement

    def _response(self, verdicts: Sequence[Verdict]) -> analyzer_pb2.AnalyzeResponse:
        return analyzer_pb2.AnalyzeResponse(
            diagnostics=[
                analyzer_pb2.AnalyzeDiagnostic(
                    policyName=verdict.policy,
                    policyPackName=NAME,
                    policyPackVersion=self._version,
                    description=self._description(verdict.policy),
                    message=verdict.message,
                    enforcementLevel=_LEVELS[verdict.severity],
                    urn=verdict.urn,
                )
                for verdict in verdicts
            ]
        )

    def _description(self, policy: str) -> str:
        return self._policies[policy].description if policy in self._policies else OWN[policy][1]


class PolicyPack:
    """Serves a pack until the engine ends the process. Its port is the first line of the output."""

    def __init__(self, policies: Iterable[Policy], *, version: str = "") -> None:
        server = serve(Analyzer(policies, version=version))
        server.wait_for_termination()


def serve(analyzer: Analyzer) -> grpc.Server:
    """A running server, whose port has been printed."""
    limits = [(f"grpc.max_{way}_message_length", _LARGEST_MESSAGE) for way in ("send", "receive")]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=limits)
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(analyzer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    return server


def _resource(request: analyzer_pb2.AnalyzeRequest | analyzer_pb2.AnalyzerResource) -> Resource:
    told = request.HasField("provider")
    stands_by = isinstance(request, analyzer_pb2.AnalyzerResource)
    return Resource(
        type=request.type,
        name=request.name,
        urn=request.urn,
        properties=received(request.properties),
        provider=request.provider.urn if told else "",
        # Those of a Kubernetes provider hold a kubeconfig, and no policy is about them.
        provider_properties=received(request.provider.properties)
        if told and request.provider.type == "pulumi:providers:aws"
        else EMPTY,
        protect=request.options.protect,
        dependencies=tuple(request.dependencies) if stands_by else (),
        property_dependencies={name: tuple(found.urns) for name, found in request.propertyDependencies.items()}
        if stands_by
        else EMPTY,
    )
