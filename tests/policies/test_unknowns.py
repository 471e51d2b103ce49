"""What is not known before the update: neither refused nor passed by accident, said, and no shelter for the rest."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import cel
from policies.resources import RELEASE, Resource
from policies.unknowns import ABSENT, UNKNOWN, Node, Secret, marked, received
from policies.verdicts import REPORT
from tests.policies import support
from tests.policies.cases import BY_ID
from tests.policies.compliant import AWS, MESH, OBJECTS, aws, changed, mesh, object_
from tests.policies.support import found, judged, manifest, secret


def messages(verdicts: list[Any], severity: str = "mandatory") -> list[tuple[str, str]]:
    return [(v.policy, v.message.split("\n")[0]) for v in verdicts if v.severity == severity and v.policy != REPORT]


def test_a_violation_beside_an_unknown_is_refused() -> None:
    route = object_(
        "routes",
        {"spec.http.0.route.0.weight": support.UNKNOWN, "spec.http.1.route": [
            {"destination": {"host": "api-service", "subset": "v1"}, "weight": 50},
            {"destination": {"host": "api-service", "subset": "v2"}, "weight": 10},
        ]},
    )  # fmt: skip
    findings, untold = found(BY_ID["istio-route-weights"], route)
    assert [finding.where for finding in findings] == ["spec.http[1].route"]
    assert untold == [("exam.api-service", "spec.http[0].route[0].weight")]


def test_what_cannot_be_judged_is_a_note_and_neither_refused_nor_passed() -> None:
    verdicts, judgement = judged([object_("strict", {"spec.mtls.mode": support.UNKNOWN})])
    assert messages(verdicts) == []
    assert messages(verdicts, "advisory") == [
        (
            "istio-mtls-strict",
            "Not judged before the update: 1 resource, for want of `spec.mtls.mode` of istio-system.default.",
        )
    ]
    tally = judgement.tallies["istio-mtls-strict"]
    assert (tally.judged, len(tally.unjudged)) == (0, 1)


def test_a_note_names_three_places_and_counts_the_others() -> None:
    five = [
        manifest(changed(MESH["strict"], {"metadata.namespace": f"n{i}", "spec.mtls.mode": support.UNKNOWN}))
        for i in range(5)
    ]
    notes = messages(judged(five)[0], "advisory")
    assert notes == [
        (
            "istio-mtls-strict",
            "Not judged before the update: 5 resources, for want of `spec.mtls.mode` of n0.default, "
            "`spec.mtls.mode` of n1.default, `spec.mtls.mode` of n2.default and 2 more.",
        )
    ]


def test_it_is_judged_when_it_is_known() -> None:
    verdicts, _ = judged([object_("strict", {"spec.mtls.mode": "PERMISSIVE"})])
    assert [policy for policy, _ in messages(verdicts)] == ["istio-mtls-strict"]


def test_a_stack_policy_goes_on_behind_an_unknown() -> None:
    """The first route's host is not known; the second one's is, and is nowhere."""
    unknown = changed(
        MESH["routes"], {"metadata.name": "first", "spec.http.0.route.0.destination.host": support.UNKNOWN}
    )
    stack = mesh({"routes": {"spec.http.1.route.0.destination": {"host": "nowhere"}}}, first=unknown)
    findings, untold = found(BY_ID["stack-route-host"], *stack)
    assert [finding.what for finding in findings] == ["there is no host `nowhere.exam.svc.cluster.local`"]
    assert untold == [("exam.first", "spec.http[0].route[0].destination.host")]


def test_a_namespace_that_is_not_known_yet_is_that_of_the_namespace_that_is_made_for_it() -> None:
    """So it is in the preview on an empty account: a provider that is not there yet answers nothing."""
    namespace = object_("exam")
    deny = manifest(
        changed(MESH["deny"], {"metadata.namespace": support.UNKNOWN}),
        property_dependencies={"metadata": (namespace.urn,)},
    )
    assert found(BY_ID["stack-default-deny"], namespace, deny) == ([], [])
    elsewhere = manifest(changed(MESH["deny"], {"metadata.namespace": support.UNKNOWN}))
    findings, untold = found(BY_ID["stack-default-deny"], namespace, elsewhere)
    assert (findings, untold) == ([], [("exam", "the AuthorizationPolicies of the namespace")])


def _unplaced(*namespaces: Resource) -> list[Resource]:
    """The mesh as in the preview on an empty account: no Release says where it is, but where from."""
    sources = {"namespace": tuple(found.urn for found in namespaces)}
    return [
        *namespaces,
        *(
            replace(
                one, properties=marked({**one.properties, "namespace": support.UNKNOWN}), property_dependencies=sources
            )
            if one.type == RELEASE
            else one
            for one in mesh()
        ),
    ]


@pytest.mark.parametrize("policy", ["stack-mesh-strict", "stack-route-host"])
def test_a_release_is_in_the_namespace_that_is_made_for_it(policy: str) -> None:
    root = manifest({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}})
    assert found(BY_ID[policy], *_unplaced(root)) == ([], [])
    for nowhere in (_unplaced(), _unplaced(root, object_("exam"))):
        findings, untold = found(BY_ID[policy], *nowhere)
        assert findings == []
        assert {place for _, place in untold} == {"namespace"}


def test_a_mesh_that_is_not_strict_is_refused_before_its_releases_are_placed() -> None:
    root = manifest({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}})
    stack = [one for one in _unplaced(root) if one.key != "security.istio.io/PeerAuthentication"]
    findings, untold = found(BY_ID["stack-mesh-strict"], *stack)
    assert len(findings) == 2
    assert untold == []


def test_roots_that_are_made_from_one_resource_are_one_before_they_are_there() -> None:
    def unknown_root(origin: str) -> list[Resource]:
        root = support.resource("istio-mesh:Root", origin, {})
        return [
            *(
                Resource(
                    one.type, one.name, one.urn, marked({**one.properties, "data": secret(support.UNKNOWN)}),
                    provider=one.provider, property_dependencies={"data": (root.urn,)},
                )
                if one.name == "istio-system.cacerts" and one.provider == support.CLUSTER
                else one
                for one in mesh()
            ),
            root,
        ]  # fmt: skip

    shared = unknown_root("root")
    origin = shared[-1].urn
    with_peer = [
        Resource(
            one.type, one.name, one.urn, one.properties, provider=one.provider,
            property_dependencies={"data": (origin,)},
        )
        if one.name == "istio-system.cacerts" and one.provider == support.PEER
        else one
        for one in shared
    ]  # fmt: skip
    assert found(BY_ID["stack-roots"], *with_peer) == ([], [])
    assert found(BY_ID["stack-roots"], *shared) == ([], [("istio-system.cacerts", "data.root-cert.pem")])


def test_a_flow_log_is_seen_before_its_vpc_has_an_id() -> None:
    vpc = support.resource("aws:ec2/vpc:Vpc", "vpc", {})
    log = support.resource(
        "aws:ec2/flowLog:FlowLog", "log", {"vpcId": support.UNKNOWN}, property_dependencies={"vpcId": (vpc.urn,)}
    )
    assert found(BY_ID["aws-vpc-flow-logs"], vpc, log) == ([], [])


# cel-python raises Python's recursion limit where it is first used, which hypothesis notices.
cel.parsed("true")

EVERYTHING = [*(aws(type_, name=type_) for type_ in AWS), *(object_(name) for name in OBJECTS), *mesh()]


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(*here, key) for key, _ in items] + [place for key, item in items for place in places(item, (*here, key))]


def without(resource: Resource, place: tuple[Any, ...]) -> Resource:
    properties: Any = copy.deepcopy(dict(resource.properties))
    here = properties
    for step in place[:-1]:
        here = here[step]
    here[place[-1]] = UNKNOWN
    return Resource(resource.type, resource.name, resource.urn, properties, provider=resource.provider)


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(data=st.data())
def test_nothing_is_refused_because_something_is_not_known(data: st.DataObject) -> None:
    """Whatever one place of a compliant stack is not known: no finding, and no policy fails."""
    index = data.draw(st.integers(0, len(EVERYTHING) - 1))
    place = data.draw(st.sampled_from(places(dict(EVERYTHING[index].properties)) or [("none",)]))
    stack = list(EVERYTHING)
    stack[index] = without(stack[index], place)
    verdicts, _ = judged(stack, stack="prod")
    assert messages(verdicts) == [], place


READS = {
    "aws-eks-public-endpoint": lambda: aws("aws:eks/cluster:Cluster", {"vpcConfig": support.UNKNOWN}),
    "aws-eks-logs": lambda: aws("aws:eks/cluster:Cluster", {"enabledClusterLogTypes": ["api", support.UNKNOWN]}),
    "aws-tags": lambda: aws("aws:eks/cluster:Cluster", {"tags": support.UNKNOWN}),
    "aws-iam-wildcard-actions": lambda: aws("aws:iam/rolePolicy:RolePolicy", {"policy": support.UNKNOWN}),
    "aws-security-group-open": lambda: aws(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", {"cidrIpv4": support.UNKNOWN}
    ),
    "kubernetes-image-tag": lambda: object_(
        "Deployment", {"spec.template.spec.containers.0.image": secret(support.UNKNOWN)}
    ),
    "kubernetes-plain-secret": lambda: object_("ConfigMap", {"data": support.UNKNOWN}),
    "istio-authz-allow-all": lambda: object_("callers", {"spec.rules.1.to": support.UNKNOWN}),
    "istio-gateway-plain-http": lambda: object_("gateway", {"spec.servers.1.tls.httpsRedirect": support.UNKNOWN}),
    "istio-locality-outliers": lambda: object_("versions", {"spec.trafficPolicy.outlierDetection": support.UNKNOWN}),
    "istio-envoyfilter-deprecated": lambda: object_("EnvoyFilter", {"spec.configPatches.0.patch": support.UNKNOWN}),
}


@pytest.mark.parametrize("policy", READS)
def test_a_policy_says_what_it_would_have_to_know(policy: str) -> None:
    findings, untold = found(BY_ID[policy], READS[policy]())
    assert findings == []
    assert untold != []


# Values.


def test_values_of_the_engine_keep_what_is_secret_and_what_is_not_known() -> None:
    properties = Struct()
    properties.update(
        {"a": support.UNKNOWN, "b": secret({"c": [secret("d"), support.UNKNOWN]}), "e": None, "f": 1.5, "g": True}
    )
    assert received(properties) == {
        "a": UNKNOWN, "b": Secret({"c": [Secret("d"), UNKNOWN]}), "e": None, "f": 1.5, "g": True,
    }  # fmt: skip
    assert received(properties) == marked(
        {"a": support.UNKNOWN, "b": secret({"c": [secret("d"), support.UNKNOWN]}), "e": None, "f": 1.5, "g": True}
    )


def test_a_secret_is_read_and_never_shown() -> None:
    node = Node(marked({"password": secret("hunter2")}), "", lambda _: None)["password"]
    assert (node.text, node.shown, node.secret) == ("hunter2", "a secret", True)


def test_a_policy_that_quotes_a_secret_does_not_show_it() -> None:
    """The whole spec is secret here, and with it the address that the finding is about."""
    tokens = changed(MESH["tokens"], {"spec.jwtRules.0.jwksUri": "http://user:hunter2@auth/keys"})
    (refused, *_) = judged([manifest({**tokens, "spec": secret(tokens["spec"])})])[0]
    assert refused.policy == "istio-jwks-plain"
    assert refused.message.startswith("spec.jwtRules[0].jwksUri: the keys come from a secret in plain text. ")
    routes = changed(MESH["routes"], {"spec.http.0.match.0.method.exact": "POST"})
    secretive = manifest({**routes, "spec": {**routes["spec"], "hosts": [secret("*"), secret("hunter2.example")]}})
    assert "hunter2" not in "".join(verdict.message for verdict in judged([secretive])[0])
    mode = manifest({**MESH["strict"], "spec": {"mtls": {"mode": secret("PERMISSIVE")}}})
    assert judged([mode])[0][0].message.startswith("spec.mtls.mode: mode a secret. ")


def test_reading_below_an_unknown_tells_the_place_that_is_not_known() -> None:
    told: list[str] = []
    node = Node({"spec": UNKNOWN}, "", told.append)
    assert node.at("spec", "mtls", "mode").missing is False
    assert node.at("spec", "mtls", "mode").is_not("STRICT") is False
    assert told == ["spec", "spec"]


@pytest.mark.parametrize(
    ("raw", "missing", "given"),
    [(ABSENT, True, False), (None, True, False), ("", True, False), ({}, True, False), ([], True, False),
     (0, False, True), (False, False, True), ("a", False, True), (UNKNOWN, False, False)],
)  # fmt: skip
def test_what_is_missing_is_surely_so(raw: Any, missing: bool, given: bool) -> None:
    node = Node(raw, "place", lambda _: None)
    assert (node.missing, node.given) == (missing, given)


def test_numbers_are_not_truth() -> None:
    node = Node({"a": True, "b": 1.0, "c": "2"}, "", lambda _: None)
    assert (node["a"].is_(1), node["b"].is_(1), node["a"].is_(True)) == (False, True, True)
    assert (node["a"].number, node["b"].number, node["c"].number) == (None, 1.0, 2.0)
