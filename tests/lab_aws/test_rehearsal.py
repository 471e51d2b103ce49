"""The parts of a rehearsal that need no engine."""

from __future__ import annotations

import base64
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from components.config.loading import check
from components.config.mesh import CHARTS
from lab.aws.cloud.around import INSTALLED
from lab.aws.cloud.eks.access import administers
from lab.aws.cloud.eks.state import cluster_of
from lab.aws.cloud.server import Account
from lab.aws.cloud.tokens import ADMINISTRATOR, ISSUER, NOBODY, manifests, signed
from lab.aws.command import credential
from lab.aws.plugin.clients import Aws
from lab.aws.rehearsal import doctor, overlay
from lab.aws.rehearsal.account import AccountClient
from lab.aws.rehearsal.acts import points
from lab.aws.rehearsal.changes import day_two
from lab.aws.rehearsal.controller import FINALIZER, SUFFIX, Controller, hosts
from lab.aws.rehearsal.empty_account import unsealed
from lab.aws.rehearsal.missing import settings
from lab.aws.rehearsal.recovery import Pending, mended, pending
from lab.aws.rehearsal.rows import Differs, Rows, equal
from lab.aws.rehearsal.stacks import Stack
from lab.aws.rehearsal.ways import Way, rules, runner_address
from lab.aws.rehearsal.whole import kept, unprotected
from lab.errors import LabError
from lab.paths import CLONE, Paths
from lab.regions import load_regions
from lab.waiting import wait_for
from tests.builders import with_secrets
from tests.lab_aws.provider import Made
from tests.lab_aws.world import CLUSTER, World

RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
TRANSIT = "aws:ec2transitgateway"


@pytest.fixture
def client(account: Account, monkeypatch: pytest.MonkeyPatch) -> AccountClient:
    import os

    return AccountClient(os.environ["AWS_ENDPOINT_URL"])


def test_the_overlay_sets_what_it_may() -> None:
    assert set(overlay.load()) == {"istio-mesh:mesh", "istio-mesh:gateways", "istio-mesh:aws"}


@pytest.mark.parametrize(
    "path", ["istio-mesh:mesh.id", "istio-mesh:gateways.ingress.servers", "istio-mesh:aws.account"]
)
def test_the_overlay_may_set_nothing_else(tmp_path: Path, path: str) -> None:
    concern, _, rest = path.partition(".")
    value: Any = "other"
    for word in reversed(rest.split(".")):
        value = {word: value}
    file = tmp_path / "rehearsal.yaml"
    file.write_text(yaml.safe_dump({concern: value}))
    with pytest.raises(LabError, match=f"rehearsal.yaml: {path} is none of what a rehearsal may change"):
        overlay.load(file)


class _Configured:
    """An engine as far as a change of its configuration goes."""

    def __init__(self, config: Path) -> None:
        self.config = config


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("staging", ["Kubernetes 1.36 in one region", "remote tokens rotated", "other types of nodes",
                     "another range in the allow-list"]),
        ("prod", ["Kubernetes 1.36 in one region", "remote tokens rotated", "one more region"]),
    ],
)  # fmt: skip
def test_changes_of_day_two_are_taken_by_the_program(tmp_path: Path, name: str, titles: list[str]) -> None:
    stack = Stack.load(CLONE, name)
    changes = day_two(stack)
    assert [each.title for each in changes] == titles
    for chart in CHARTS:
        # As in a lab that is up.
        (Paths(tmp_path).charts / chart).mkdir(parents=True)
        (Paths(tmp_path).charts / chart / "Chart.yaml").touch()
    (tmp_path / "lab").symlink_to(CLONE / "lab")
    for change in changes:
        file = tmp_path / "Pulumi.yaml"
        stack.write(file, tmp_path)
        before = file.read_text()
        change.apply(_Configured(file))  # type: ignore[arg-type]
        assert file.read_text() != before
        written = yaml.safe_load(file.read_text())["config"]
        values = with_secrets({key.removeprefix("istio-mesh:"): value for key, value in written.items()})
        config, faults = check(values)
        assert config is not None, [str(fault) for fault in faults]


def test_what_protects_a_stack_is_taken_away_before_it_is(tmp_path: Path) -> None:
    (change,) = unprotected(Stack.load(CLONE, "prod"))
    assert change.expected == {"update aws:eks/cluster:Cluster": 2}
    assert kept(Stack.load(CLONE, "prod")) == {"logs/group/us-east-1": 1, "logs/group/us-west-2": 1}
    assert unprotected(Stack.load(CLONE, "staging")) == []
    assert kept(Stack.load(CLONE, "staging")) == {}


def test_what_is_laid_over_leaves_the_rest() -> None:
    base = {"a": {"b": 1, "c": [1]}, "d": 2}
    assert overlay.laid_over(base, {"a": {"c": [2]}}) == {"a": {"b": 1, "c": [2]}, "d": 2}
    assert base["a"] == {"b": 1, "c": [1]}


def test_secrets_that_a_file_leaves_out_are_made() -> None:
    values = {
        "istio-mesh:trust": {"root": {"provided": {"intermediates": {"use1": {}}}}},
        "istio-mesh:gateways": {
            "ingress": {"servers": [{"hosts": ["a.example"], "tls": {"certificate": None, "privateKey": None}}]}
        },
    }
    made = {each.path.partition(":")[2]: each for each in settings(values)}
    assert set(made) == {
        "trust.root.provided.certificate",
        "trust.root.provided.intermediates.use1.certificate",
        "trust.root.provided.intermediates.use1.privateKey",
        "gateways.ingress.servers[0].tls.certificate",
        "gateways.ingress.servers[0].tls.privateKey",
    }
    assert {path for path, each in made.items() if each.secret} == {
        path for path in made if path.endswith("privateKey")
    }
    root, intermediate = (
        x509.load_pem_x509_certificate(made[f"trust.root.provided.{name}certificate"].value.encode())
        for name in ("", "intermediates.use1.")
    )
    intermediate.verify_directly_issued_by(root)


def test_what_is_sealed_is_made_like_what_is_left_out() -> None:
    """The key that opens it is somewhere else."""
    sealed = {"certificate": "a real one", "privateKey": {"secure": "v1:x"}}
    values = {
        "istio-mesh:gateways": {
            "ingress": {"servers": [{"hosts": ["a.example"], "tls": sealed}], "name": {"latency": {}}}
        }
    }
    cut = unsealed(values)
    assert cut["istio-mesh:gateways"]["ingress"] == {
        "servers": [{"hosts": ["a.example"], "tls": {"certificate": "a real one", "privateKey": None}}],
        "name": {"latency": {}},
    }
    assert [each.path.rpartition(".")[2] for each in settings(cut)] == ["certificate", "privateKey"]
    assert sealed["privateKey"] == {"secure": "v1:x"}, "the caller's are as they were"


def test_points_are_spread_and_the_same_every_time() -> None:
    found = points(58, 10, 7)
    assert found == points(58, 10, 7) != points(58, 10, 8)
    assert all(low <= point < low + 6 for low, point in zip(range(0, 58, 6), found, strict=False)) or found == sorted(
        found
    )
    assert max(found) < 58


def test_creations_that_were_cut_off_are_found_or_struck_off() -> None:
    provider = {"type": "pulumi:providers:aws", "urn": "p", "id": "1", "inputs": {"region": "us-west-2"}}
    there = {"type": "t", "urn": "there", "id": "vpc-0"}

    def operation(urn: str, kind: str = "creating") -> dict[str, Any]:
        return {"type": kind, "resource": {"urn": urn, "type": "t", "provider": "p::1", "inputs": {"a": urn}}}

    deployment = {
        "resources": [provider, there],
        "pending_operations": [operation("made"), operation("not"), operation("taken"), operation("old", "deleting")],
    }
    asked: list[tuple[str, str]] = []

    def look(token: str, region: str, inputs: Any) -> str | None:
        asked.append((token, region))
        return {"made": "vpc-1", "taken": "vpc-0"}.get(inputs["a"])

    found = pending(deployment, look)
    assert found == [
        Pending("made", "vpc-1", {"a": "made"}),
        Pending("not", None, {"a": "not"}),
        Pending("taken", None, {"a": "taken"}),
    ]
    assert set(asked) == {("t", "us-west-2")}
    after = mended(deployment, found)
    assert [(each["urn"], each.get("id")) for each in after["resources"]] == [
        ("p", "1"),
        ("there", "vpc-0"),
        ("made", "vpc-1"),
    ]
    assert after["resources"][-1]["outputs"] == {"a": "made"}
    assert [each["type"] for each in after["pending_operations"]] == ["deleting"]


def test_rows_stand_beside_those_of_other_proofs(tmp_path: Path) -> None:
    file = tmp_path / "evidence.json"
    file.write_text(json.dumps({"rows": [{"id": "B1", "command": "pytest"}, {"id": "A1", "command": "make rehearse"}]}))
    rows = Rows(lambda _: None)
    with rows.row("A5", "works") as figures:
        figures["resources"] = 3
    with pytest.raises(Differs), rows.row("A6", "does not"):
        equal("it", {"a": 1}, {"a": 2, "b": 3})
    rows.write(file)
    written = json.loads(file.read_text())["rows"]
    assert [(row["id"], row.get("verdict"), row.get("reason")) for row in written] == [
        ("A5", "proven", ""),
        ("A6", "failed", "it: a: 1 in place of 2, b: None in place of 3"),
        ("B1", None, None),
    ]
    assert not rows.proven


def test_rules_of_the_ways_between_regions() -> None:
    topology = load_regions()
    ways = [Way("us-east-1", "us-west-2", 15443), Way("runner", "us-west-2", 443), Way("runner", "us-east-1", 443)]
    node, host = topology.region("use1").node_address, topology.bridge.host_address
    assert rules(topology, "usw2", ways).splitlines() == [
        "*mangle",
        ":AWS-WAYS - [0:0]",
        f"-A AWS-WAYS -s {node} -p tcp --dport 15443 -j RETURN",
        f"-A AWS-WAYS ! -s {host} -p tcp --dport 15443 -j DROP",
        f"-A AWS-WAYS -s {runner_address(topology)} -p tcp --dport 6443 -j RETURN",
        f"-A AWS-WAYS ! -s {host} -p tcp --dport 6443 -j DROP",
        "COMMIT",
    ]


def joined(world: World, gateways: dict[str, Made] | None = None) -> list[tuple[str, str, int]]:
    """Two clusters with everything that a way needs; what is open. `gateways`: transit gateways, by region, that are
    in the place of a peering connection.
    """
    west, east = world.west, world.east
    assert gateways or world.accepted
    for engine, vpc, name, cidr in (
        (east, world.vpc, "east", "10.1.0.0/16"),
        (west, world.peer_vpc, "west", "10.0.0.0/16"),
    ):
        region = "us-east-1" if engine is east else "us-west-2"
        table = engine.make("aws:ec2/routeTable:RouteTable", name, vpcId=vpc.id)
        subnets = [
            engine.make(
                "aws:ec2/subnet:Subnet",
                f"{name}-{zone}",
                vpcId=vpc.id,
                cidrBlock=vpc["cidrBlock"].replace("0.0/16", f"{20 + at}.0/24"),
                availabilityZone=f"{region}{zone}",
                tags={"kubernetes.io/role/internal-elb": "1"},
            )
            for at, zone in enumerate("ab")
        ]
        for at, subnet in enumerate(subnets):
            engine.make(
                "aws:ec2/routeTableAssociation:RouteTableAssociation",
                f"{at}",
                routeTableId=table.id,
                subnetId=subnet.id,
            )
        if gateways:
            attached = {"transitGatewayId": gateways[region].id, "vpcId": vpc.id}
            engine.make(
                f"{TRANSIT}/vpcAttachment:VpcAttachment", name, subnetIds=[each.id for each in subnets], **attached
            )
            way = {"transitGatewayId": gateways[region].id}
        else:
            way = {"vpcPeeringConnectionId": world.peering.id}
        engine.make("aws:ec2/route:Route", name, routeTableId=table.id, destinationCidrBlock=cidr, **way)
        network = {
            "subnetIds": [each.id for each in subnets],
            "endpointPrivateAccess": True,
            "endpointPublicAccess": False,
        }
        cluster = engine.make(CLUSTER, name, **world.cluster_inputs(name=name, vpcConfig=network))
        group = cluster["vpcConfig"]["clusterSecurityGroupId"]
        ports = {"ipProtocol": "tcp", "fromPort": 15443, "toPort": 15443}
        engine.make(RULE, name, securityGroupId=group, cidrIpv4=cidr, **ports)
    return [("us-east-1", "us-west-2", 15443), ("us-west-2", "us-east-1", 15443)]


def test_a_way_needs_the_peering_routes_both_ways_and_a_rule(world: World, client: AccountClient) -> None:
    def found() -> list[tuple[str, str, int]]:
        return sorted((each["source"], each["target"], each["port"]) for each in client.order("ways"))

    expected = joined(world)
    assert found() == expected

    ec2 = Aws("us-west-2", "").ec2
    rule = ec2.describe_security_group_rules()["SecurityGroupRules"]
    mine = next(each for each in rule if each.get("CidrIpv4") == "10.0.0.0/16")
    ec2.revoke_security_group_ingress(GroupId=mine["GroupId"], SecurityGroupRuleIds=[mine["SecurityGroupRuleId"]])
    assert found() == expected[1:], "without its rule one direction is closed"
    table = next(
        each
        for each in ec2.describe_route_tables()["RouteTables"]
        if any(route.get("VpcPeeringConnectionId") for route in each["Routes"])
    )
    ec2.delete_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="10.0.0.0/16")
    assert found() == [], "without the way back both are"


def test_a_way_by_transit_gateways_needs_their_routes_both_ways(world: World, client: AccountClient) -> None:
    def found() -> list[tuple[str, str, int]]:
        return sorted((each["source"], each["target"], each["port"]) for each in client.order("ways"))

    gateway = f"{TRANSIT}/transitGateway:TransitGateway"
    gateways = {"us-east-1": world.east.make(gateway, "east"), "us-west-2": world.west.make(gateway, "west")}
    expected = joined(world, gateways)
    assert found() == [], "each VPC leads to its gateway, and they know nothing of each other"

    asked = world.east.make(
        f"{TRANSIT}/peeringAttachment:PeeringAttachment",
        "peer",
        transitGatewayId=gateways["us-east-1"].id,
        peerTransitGatewayId=gateways["us-west-2"].id,
        peerRegion="us-west-2",
    )
    world.west.make(
        f"{TRANSIT}/peeringAttachmentAccepter:PeeringAttachmentAccepter", "peer", transitGatewayAttachmentId=asked.id
    )
    routes = []
    for engine, region, cidr in ((world.east, "us-east-1", "10.1.0.0/16"), (world.west, "us-west-2", "10.0.0.0/16")):
        assert found() == [], "not before both know the way"
        routes.append(
            engine.make(
                f"{TRANSIT}/route:Route",
                "over",
                destinationCidrBlock=cidr,
                transitGatewayAttachmentId=asked.id,
                transitGatewayRouteTableId=gateways[region]["associationDefaultRouteTableId"],
            )
        )
    assert found() == expected
    world.west.delete(routes[1])
    assert found() == [], "without the way back both are closed"


def test_the_engines_way_is_that_of_its_vpc_or_its_addresses(world: World, client: AccountClient) -> None:
    def found() -> list[str]:
        return sorted(each["target"] for each in client.order("ways") if each["source"] == "runner")

    managing = {"region": "us-east-1", "tables": ["rtb-0123456789abcdef0"]}
    client.order("vpc", id="vpc-0123456789abcdef0", cidr="10.9.0.0/16", **managing)
    client.order("runner", vpc="vpc-0123456789abcdef0", **managing)
    assert joined(world)
    assert found() == []
    ec2 = Aws("us-west-2", "").ec2
    asked = {"VpcId": world.peer_vpc.id, "PeerVpcId": "vpc-0123456789abcdef0", "PeerRegion": "us-east-1"}
    peering = ec2.create_vpc_peering_connection(**asked)["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    Aws("us-east-1", "").ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [world.peer_vpc.id]}])["RouteTables"]
    west_table = next(each["RouteTableId"] for each in tables if not any(one["Main"] for one in each["Associations"]))
    for client_of, table, cidr in (
        (Aws("us-east-1", "").ec2, "rtb-0123456789abcdef0", "10.1.0.0/16"),
        (ec2, west_table, "10.9.0.0/16"),
    ):
        client_of.create_route(RouteTableId=table, DestinationCidrBlock=cidr, VpcPeeringConnectionId=peering)
    assert found() == [], "no group lets it in yet"
    group = cluster_of("us-west-2", "west").said["resourcesVpcConfig"]["clusterSecurityGroupId"]
    ports = {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443}
    world.west.make(RULE, "managing", securityGroupId=group, cidrIpv4="10.9.0.0/16", **ports)
    assert found() == ["us-west-2"]
    client.order("runner", egress=["203.0.113.10/32"])
    assert found() == [], "a private API server is not reached over the internet"


def test_a_public_api_server_is_reached_from_its_allow_list(world: World, client: AccountClient) -> None:
    network = {
        "subnetIds": world.subnet_ids,
        "endpointPrivateAccess": True,
        "endpointPublicAccess": True,
        "publicAccessCidrs": ["203.0.113.0/24"],
    }
    world.east.make(CLUSTER, "one", **world.cluster_inputs(name="one", vpcConfig=network))
    for egress, expected in ((["203.0.113.10/32"], 1), (["203.0.113.10/32", "198.51.100.1/32"], 0), ([], 0)):
        client.order("runner", egress=egress)
        assert len(client.order("ways")) == expected, egress


class Server:
    """An API server's Services, and what is asked of them."""

    def __init__(self, *services: dict[str, Any]) -> None:
        self.services = {f"{each['metadata']['namespace']}/{each['metadata']['name']}": each for each in services}
        self.given: dict[str, str] = defaultdict(lambda: "198.18.11.5")

    def get(self, path: str, **_: str) -> dict[str, Any]:
        assert path == "/api/v1/services"
        return {"items": list(self.services.values())}

    def apply(self, manifest: dict[str, Any]) -> None:
        key = f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"
        ingress = [{"ip": self.given[key]}]
        self.services[key] = {**manifest, "status": {"loadBalancer": {"ingress": ingress}}}

    def merge(self, path: str, content: dict[str, Any]) -> None:
        words = path.split("/")
        service = self.services[f"{words[4]}/{words[6]}"]
        if "status" in content:
            service["status"] = content["status"]
            return
        service["metadata"]["finalizers"] = content["metadata"]["finalizers"]
        if service["metadata"].get("deletionTimestamp") and not content["metadata"]["finalizers"]:
            del self.services[f"{words[4]}/{words[6]}"]

    def delete(self, path: str) -> None:
        words = path.split("/")
        self.services.pop(f"{words[4]}/{words[6]}", None)


def gateway_service() -> dict[str, Any]:
    return {
        "metadata": {"name": "istio-eastwest", "namespace": "istio-system", "annotations": {}},
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerClass": "eks.amazonaws.com/nlb",
            "selector": {"istio": "eastwest"},
            "ports": [{"name": "tls", "port": 15443, "targetPort": 15443, "nodePort": 30000}],
        },
    }


def test_a_service_gets_a_name_and_holds_interfaces_until_it_is_gone(world: World, client: AccountClient) -> None:
    for subnet in world.subnets:
        Aws("us-east-1", "").ec2.create_tags(
            Resources=[subnet.id], Tags=[{"Key": "kubernetes.io/role/internal-elb", "Value": "1"}]
        )
    assert world.cluster
    service = gateway_service()
    server = Server(service)
    controller = Controller(server, client, region="us-east-1", cluster="one", resolved=0.1)
    controller.look()
    controller.look()
    assert controller.addresses
    assert "status" not in service, "the name servers do not know it yet"
    wait_for(lambda: controller.look() or "status" in service, deadline=5, what="the name")
    (name,) = (each["hostname"] for each in service["status"]["loadBalancer"]["ingress"])
    assert name.endswith(".elb.us-east-1.amazonaws.com")
    assert hosts(controller.addresses) == f"198.18.11.5 {name}\n"
    assert service["metadata"]["finalizers"] == [FINALIZER]
    assert f"istio-system/istio-eastwest{SUFFIX}" in server.services
    before = client.inventory()
    assert len(before["elb/load-balancer/us-east-1"]) == 1
    service["metadata"]["deletionTimestamp"] = "now"
    controller.look()
    assert server.services == {}
    after = client.inventory()
    assert "elb/load-balancer/us-east-1" not in after
    assert len(before["ec2/network-interface/us-east-1"]) - len(after["ec2/network-interface/us-east-1"]) == 3


def test_subnets_without_the_tag_are_told(world: World, client: AccountClient) -> None:
    assert world.cluster
    controller = Controller(Server(gateway_service()), client, region="us-east-1", cluster="one")
    controller.look()
    (problem,) = controller.problems.values()
    assert "unable to resolve at least one subnet (tag kubernetes.io/role/internal-elb" in problem


def test_a_credential_is_what_client_go_reads() -> None:
    version = "client.authentication.k8s.io/v1beta1"
    found = credential(version, "token", "2026-11-24T14:00:00Z")
    assert found["status"] == {"token": "token", "expirationTimestamp": "2026-11-24T14:00:00Z"}
    assert (found["kind"], found["apiVersion"]) == ("ExecCredential", version)


def test_only_an_administrators_token_has_rights() -> None:
    assert [each["kind"] for each in manifests(ADMINISTRATOR)] == ["ServiceAccount", "ClusterRoleBinding"]
    assert [each["kind"] for each in manifests(NOBODY)] == ["ServiceAccount"]


def test_who_administers_a_cluster_is_told_by_its_access_entries(world: World, client: AccountClient) -> None:
    client.order("caller", arn=world.pod_role["arn"])
    assert world.cluster
    cluster = cluster_of("us-east-1", "one")
    assert not administers(cluster, world.pod_role["arn"])
    with pytest.raises(LabError, match=r"No region of the lab stands behind us-east-1: the cluster one has no API"):
        client.order("token", cluster="one", region="us-east-1")
    world.east.make("aws:eks/accessEntry:AccessEntry", clusterName="one", principalArn=world.pod_role["arn"])
    world.east.make(
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        clusterName="one",
        principalArn=world.pod_role["arn"],
        policyArn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        accessScope={"type": "cluster"},
    )
    assert administers(cluster, world.pod_role["arn"])


def test_a_token_is_signed_and_says_when_it_ends() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    head, claims, signature = signed(key, ADMINISTRATOR, "uid", time.time() + 900).split(".")

    def decoded(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    found = json.loads(decoded(claims))
    assert found["iss"] == ISSUER
    assert found["exp"] - found["iat"] in (899, 900, 901)
    assert found["kubernetes.io"]["serviceaccount"] == {"name": ADMINISTRATOR, "uid": "uid"}
    raw = decoded(signature)
    pair = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.public_key().verify(pair, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))


def test_a_fault_meets_its_calls_and_no_others(world: World, client: AccountClient) -> None:
    from tests.lab_aws.provider import Refused

    client.fault("ec2", "CreateVpc", code="UnauthorizedOperation", message="You are not authorized", skip=1)
    assert world.vpc
    with pytest.raises(Refused, match=r"UnauthorizedOperation.*You are not authorized"):
        world.east.make("aws:ec2/vpc:Vpc", "second", cidrBlock="10.2.0.0/16")
    assert world.east.make("aws:ec2/vpc:Vpc", "third", cidrBlock="10.3.0.0/16")


@pytest.mark.parametrize(
    ("service", "operation", "act"),
    [
        ("eks", "CreateCluster", lambda w: w.cluster),
        ("kms", "CreateKey", lambda w: w.key),
        ("iam", "CreateRole", lambda w: w.pod_role),
        ("route53", "CreateHealthCheck", lambda w: w.east.make("aws:route53/healthCheck:HealthCheck", type="TCP",
         fqdn="a", port=1)),
    ],
)  # fmt: skip
def test_a_fault_speaks_every_protocol(
    world: World, client: AccountClient, service: str, operation: str, act: Any
) -> None:
    from tests.lab_aws.provider import Refused

    client.fault(service, operation, code="ThrottlingException", message="Rate exceeded")
    with pytest.raises(Refused, match=r"ThrottlingException.*Rate exceeded"):
        act(world)


def test_a_call_may_be_carried_out_although_it_is_answered_with_an_error(world: World, client: AccountClient) -> None:
    from tests.lab_aws.provider import Refused

    client.fault("ec2", "AllocateAddress", code="InternalError", message="lost", status=500, done=True)
    with pytest.raises(Refused, match="lost"):
        assert world.address
    assert len(client.inventory()["ec2/elastic-ip/us-east-1"]) == 1


def test_rules_lie_over_methods_that_moto_has() -> None:
    assert len(INSTALLED) > 30


def test_the_doctor_has_to_find_what_a_rehearsal_leaves_out() -> None:
    services = {
        "exam/web": {},
        "exam/api": {"versions": ["blue", "green"]},
        "exam/archive": {"regions": ["usw2"]},
        "exam/split": {"versions": ["v1", "v2"]},
        "exam/admin": {},
        "exam/old": {"regions": ["use1"]},
    }
    stack = Stack("staging", {"istio-mesh:services": services})
    deployed = {"web": ["use1", "usw2"], "api-blue": ["use1"], "archive": ["usw2"]}
    deployed |= {"split-v1": ["use1", "usw2"], "split-v2": ["use1"]}
    assert set(doctor.missing(stack, deployed)) == {
        ("analysis-ist0173", "use1", "DestinationRule exam/api"),
        ("service-endpoints", "usw2", "exam/api"),
        ("analysis-ist0173", "usw2", "DestinationRule exam/split"),
        ("service-missing", "use1", "exam/admin"),
        ("service-missing", "usw2", "exam/admin"),
        ("service-missing", "use1", "exam/old"),
    }
    findings = [
        {"id": "service-missing", "region": "use1", "subject": "exam/old", "cause": "c"},
        {"id": "analysis-ist0170", "region": "use1", "subject": f"Service istio-ingress/istio-ingress{SUFFIX}"},
    ]
    assert doctor.Said(findings, 2.0).of_the_stack == {("service-missing", "use1", "exam/old")}
