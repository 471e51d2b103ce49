"""The engine's protocol, spoken to a running pack."""

import json
import re
from collections.abc import Generator
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from policies.pack import POLICIES
from policies.server import Analyzer, serve
from policies.verdicts import OWN, REPORT
from tests.policies.compliant import MESH, changed
from tests.policies.support import CLUSTER, TODAY, UNKNOWN, secret

STACK = "urn:pulumi:dev::exam::"


@pytest.fixture
def stub(capsys: pytest.CaptureFixture[str]) -> Generator[analyzer_pb2_grpc.AnalyzerStub]:
    server = serve(Analyzer(POLICIES, version="1.2.3", today=TODAY))
    port = int(capsys.readouterr().out)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield analyzer_pb2_grpc.AnalyzerStub(channel)
    server.stop(None).wait()


def struct(properties: dict[str, Any]) -> Struct:
    found = Struct()
    found.update(properties)
    return found


def strict(mode: Any = "PERMISSIVE") -> dict[str, Any]:
    return changed(MESH["strict"], {"spec.mtls.mode": mode})


TYPE = "kubernetes:security.istio.io/v1:PeerAuthentication"
URN = f"{STACK}{TYPE}::strict"


def provider() -> analyzer_pb2.AnalyzerProviderResource:
    return analyzer_pb2.AnalyzerProviderResource(
        type="pulumi:providers:kubernetes", urn=CLUSTER, name="use1", properties=struct({"kubeconfig": secret("k")})
    )


def request(properties: dict[str, Any]) -> analyzer_pb2.AnalyzeRequest:
    return analyzer_pb2.AnalyzeRequest(
        type=TYPE, urn=URN, name="strict", properties=struct(properties), provider=provider()
    )


def stack_request(properties: dict[str, Any]) -> analyzer_pb2.AnalyzeStackRequest:
    one = analyzer_pb2.AnalyzerResource(
        type=TYPE, urn=URN, name="strict", properties=struct(properties), provider=provider()
    )
    return analyzer_pb2.AnalyzeStackRequest(resources=[one])


def configure(stub: Any, **settings: Any) -> None:
    config = {"istio-mesh:policies": json.dumps(settings)}
    stub.ConfigureStack(
        analyzer_pb2.AnalyzerStackConfigureRequest(stack="dev", project="exam", dry_run=True, config=config)
    )


def test_the_engine_is_told_every_policy_with_its_level(stub: Any) -> None:
    info = stub.GetAnalyzerInfo(Empty())
    assert (info.name, info.version, info.supportsConfig) == ("istio-mesh", "1.2.3", True)
    assert [policy.name for policy in info.policies] == [*(policy.id for policy in POLICIES), *OWN]
    levels = {policy.name: analyzer_pb2.EnforcementLevel.Name(policy.enforcementLevel) for policy in info.policies}
    assert levels["istio-mtls-strict"] == "MANDATORY"
    assert levels["istio-egress-open"] == levels[REPORT] == "ADVISORY"
    assert all(policy.description.endswith(".") for policy in info.policies)


def test_a_finding_has_the_policys_name_level_and_sentence(stub: Any) -> None:
    (found,) = stub.Analyze(request(strict())).diagnostics
    assert (found.policyName, found.policyPackName) == ("istio-mtls-strict", "istio-mesh")
    assert found.enforcementLevel == analyzer_pb2.MANDATORY
    assert found.urn == URN
    assert re.fullmatch(r"spec\.mtls\.mode: .*\.\nMend it: .*\.", found.message)


def test_the_stacks_configuration_reaches_the_pack(stub: Any) -> None:
    configure(
        stub,
        exemptions=[
            {"policy": "istio-mtls-strict", "resource": "strict", "reason": "r", "owner": "o", "expires": "2027-01-01"}
        ],
    )
    assert list(stub.Analyze(request(strict())).diagnostics) == []
    (report,) = stub.AnalyzeStack(stack_request(strict())).diagnostics
    assert (report.policyName, report.urn) == (REPORT, "")
    assert "- istio-mtls-strict on strict: r (o, until 2027-01-01)" in report.message


def test_settings_that_cannot_be_used_are_refused_with_the_first_resource(stub: Any) -> None:
    configure(stub, exemptions=[{"policy": "x"}])
    assert {found.policyName for found in stub.Analyze(request(strict("STRICT"))).diagnostics} == {"policies-settings"}
    assert list(stub.Analyze(request(strict("STRICT"))).diagnostics) == []


def test_levels_of_the_command_line_hold(stub: Any) -> None:
    off = analyzer_pb2.PolicyConfig(enforcementLevel=analyzer_pb2.DISABLED)
    warn = analyzer_pb2.PolicyConfig(enforcementLevel=analyzer_pb2.ADVISORY)
    stub.Configure(analyzer_pb2.ConfigureAnalyzerRequest(policyConfig={"istio-mtls-strict": warn}))
    (found,) = stub.Analyze(request(strict())).diagnostics
    assert found.enforcementLevel == analyzer_pb2.ADVISORY
    stub.Configure(analyzer_pb2.ConfigureAnalyzerRequest(policyConfig={"istio-mtls-strict": off}))
    assert list(stub.Analyze(request(strict())).diagnostics) == []


def test_what_a_program_asked_for_counts_at_the_end_too(stub: Any) -> None:
    """Results of a preview know less: a namespace may be lost in them."""
    stub.Analyze(request(strict(secret("STRICT"))))
    (report,) = stub.AnalyzeStack(stack_request(strict(UNKNOWN))).diagnostics
    assert "0 times not judged" in report.message


def test_a_run_leaves_nothing_to_the_next(stub: Any) -> None:
    stub.Analyze(request(strict(UNKNOWN)))
    first = [found.policyName for found in stub.AnalyzeStack(stack_request(strict(UNKNOWN))).diagnostics]
    assert first == ["istio-mtls-strict", REPORT]
    (report,) = stub.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest()).diagnostics
    assert report.message.startswith("0 policies judged 0 times")


def test_a_secret_is_in_no_message(stub: Any) -> None:
    type_ = "kubernetes:core/v1:ConfigMap"
    properties = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"password": secret("hunter2")},
    }  # fmt: skip
    (found,) = stub.Analyze(
        analyzer_pb2.AnalyzeRequest(type=type_, urn=f"{STACK}{type_}::c", name="c", properties=struct(properties))
    ).diagnostics
    assert found.policyName == "kubernetes-plain-secret"
    assert "hunter2" not in found.message
