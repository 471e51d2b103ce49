"""Every type through the provider: made, read, left alone, changed, adopted by what it is found by, deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lab.aws.cloud.inventory import inventory
from lab.aws.plugin.clients import Aws
from lab.aws.plugin.kind import KINDS
from tests.lab_aws.provider import Engine, Made
from tests.lab_aws.world import POLICY, World, trust

Inputs = dict[str, Any]
SOMETIMES = frozenset(
    {
        "associationId",
        "diskSize",
        "accepter",
        "requester",
        "configurationValues",
        "kubernetesGroups",
        "userName",
        "policy",
        "prefixListId",
        "ingress",
        "egress",
        "routeTableIds",
        "availabilityZoneId",
        "multiRegion",
        "securityGroupIds",
        "thumbprintLists",
        "publicDns",
        "subnetIds",
    }
)
"""Outputs that are there where there is something to tell."""
TAGS = {"Name": "it", "stack": "prod"}
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
WIDER = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def case(
    token: str,
    inputs: Callable[[World], Inputs],
    changed: Callable[[World], Inputs] | None = None,
    *,
    west: bool = False,
    stays: bool = False,
) -> Any:
    """token; inputs; what a second run says instead of a part of them; region; whether it stays after its deletion, as
    what is AWS's own does.
    """
    return pytest.param(token, inputs, changed, west, stays, id=token.rpartition(":")[2])


def zone(world: World) -> str:
    answer = Aws("us-east-1", "").client("route53").create_hosted_zone(Name="exam-platform.com", CallerReference="1")
    return answer["HostedZone"]["Id"].rpartition("/")[2]


def tagged(world: World) -> Inputs:
    return {"tags": {"Name": "it", "owner": "team"}}


CASES = [
    case("aws:ec2/vpc:Vpc", lambda _: {"cidrBlock": "10.9.0.0/16", "tags": TAGS},
         lambda _: {"enableDnsHostnames": True, "tags": {"Name": "it"}}),
    case("aws:ec2/subnet:Subnet",
         lambda w: {"vpcId": w.vpc.id, "cidrBlock": "10.0.8.0/24", "availabilityZone": "us-east-1a", "tags": TAGS},
         lambda _: {"mapPublicIpOnLaunch": True}),
    case("aws:ec2/internetGateway:InternetGateway", lambda w: {"vpcId": w.vpc.id, "tags": TAGS}, tagged),
    case("aws:ec2/eip:Eip", lambda _: {"domain": "vpc", "tags": TAGS}, tagged),
    case("aws:ec2/natGateway:NatGateway",
         lambda w: {"allocationId": w.address.id, "subnetId": (w.gateway, w.subnets[0])[1].id, "tags": TAGS}, tagged),
    case("aws:ec2/routeTable:RouteTable", lambda w: {"vpcId": w.vpc.id, "tags": TAGS}, tagged),
    case("aws:ec2/route:Route",
         lambda w: {"routeTableId": w.table.id, "destinationCidrBlock": "0.0.0.0/0", "gatewayId": w.gateway.id},
         lambda w: {"gatewayId": None, "natGatewayId": w.nat.id}),
    case("aws:ec2/routeTableAssociation:RouteTableAssociation",
         lambda w: {"routeTableId": w.table.id, "subnetId": w.subnets[0].id},
         lambda w: {"routeTableId": w.east.make("aws:ec2/routeTable:RouteTable", "other", vpcId=w.vpc.id).id}),
    case("aws:ec2/vpcEndpoint:VpcEndpoint",
         lambda w: {"vpcId": w.vpc.id, "serviceName": "com.amazonaws.us-east-1.sts", "vpcEndpointType": "Interface",
                    "subnetIds": w.subnet_ids[:2], "securityGroupIds": [w.group.id], "privateDnsEnabled": True,
                    "tags": TAGS},
         lambda w: {"subnetIds": w.subnet_ids}),
    case("aws:ec2/flowLog:FlowLog",
         lambda w: {"vpcId": w.vpc.id, "trafficType": "ALL", "iamRoleArn": w.role("flow",
         "vpc-flow-logs.amazonaws.com")["arn"],
                    "logDestination": w.east.make("aws:cloudwatch/logGroup:LogGroup", "flow", name="flow")["arn"],
                    "maxAggregationInterval": 60, "tags": TAGS}, tagged),
    case("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", lambda w: {"vpcId": w.vpc.id, "tags": TAGS}, tagged,
         stays=True),
    case("aws:ec2/securityGroup:SecurityGroup",
         lambda w: {"name": "it", "description": "of a test", "vpcId": w.vpc.id, "tags": TAGS},
         lambda w: {"ingress": [{"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["10.0.0.0/8"]}]}),
    case("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
         lambda w: {"securityGroupId": w.group.id, "cidrIpv4": "10.1.0.0/16", "ipProtocol": "tcp", "fromPort": 15443,
                    "toPort": 15443, "description": "peer", "tags": TAGS},
         lambda _: {"cidrIpv4": "10.2.0.0/16"}),
    case("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
         lambda w: {"securityGroupId": w.group.id, "cidrIpv4": "0.0.0.0/0", "ipProtocol": "-1"},
         lambda _: {"cidrIpv4": "10.0.0.0/8"}),
    case("aws:ec2/launchTemplate:LaunchTemplate",
         lambda _: {"name": "nodes", "updateDefaultVersion": True, "tags": TAGS,
                    "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required",
                    "httpPutResponseHopLimit": 1},
                    "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"volumeSize": 50, "volumeType": "gp3",
                                             "encrypted": "true", "deleteOnTermination": "true"}}],
                    "tagSpecifications": [{"resourceType": "instance", "tags": {"Name": "node"}}]},
         lambda _: {"metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required",
         "httpPutResponseHopLimit": 2}}),
    case("aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
         lambda w: {"vpcId": w.vpc.id, "peerVpcId": w.peer_vpc.id, "peerRegion": "us-west-2", "tags": TAGS}, tagged),
    case("aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter",
         lambda w: {"vpcPeeringConnectionId": w.peering.id, "autoAccept": True, "tags": TAGS}, tagged, west=True,
         stays=True),
    case("aws:ec2/peeringConnectionOptions:PeeringConnectionOptions",
         lambda w: {"vpcPeeringConnectionId": w.accepted.id, "requester": {"allowRemoteVpcDnsResolution": True}},
         lambda _: {"requester": {"allowRemoteVpcDnsResolution": False}}, stays=True),
    case("aws:ec2transitgateway/transitGateway:TransitGateway",
         lambda _: {"description": "mesh", "amazonSideAsn": 64512, "defaultRouteTableAssociation": "enable",
         "tags": TAGS},
         lambda _: {"description": "the mesh"}),
    case("aws:ec2transitgateway/vpcAttachment:VpcAttachment",
         lambda w: {"transitGatewayId": gateway(w.east).id, "vpcId": w.vpc.id, "subnetIds": w.subnet_ids[:2],
         "tags": TAGS},
         lambda w: {"subnetIds": w.subnet_ids}),
    case("aws:ec2transitgateway/peeringAttachment:PeeringAttachment", lambda w: peer_inputs(w), tagged),
    case("aws:ec2transitgateway/peeringAttachmentAccepter:PeeringAttachmentAccepter",
         # Its deletion takes away what it had accepted, which was there before it.
         lambda w: {"transitGatewayAttachmentId": peer_attachment(w).id, "tags": TAGS}, tagged, west=True, stays=True),
    case("aws:ec2transitgateway/route:Route", lambda w: transit_route(w)),
    case("aws:cloudwatch/logGroup:LogGroup", lambda _: {"name": "/aws/eks/it/cluster", "retentionInDays": 30,
    "tags": TAGS},
         lambda _: {"retentionInDays": 90}),
    case("aws:iam/role:Role", lambda _: {"name": "it", "assumeRolePolicy": trust("ec2.amazonaws.com"), "tags": TAGS},
         lambda _: {"assumeRolePolicy": trust("eks.amazonaws.com"), "description": "of clusters"}),
    case("aws:iam/rolePolicy:RolePolicy", lambda w: {"name": "it", "role": w.pod_role["name"], "policy": DOCUMENT},
         lambda _: {"policy": WIDER}),
    case("aws:iam/rolePolicyAttachment:RolePolicyAttachment",
         lambda w: {"role": w.pod_role["name"], "policyArn": f"{POLICY}AmazonEKSWorkerNodePolicy"}),
    case("aws:iam/openIdConnectProvider:OpenIdConnectProvider",
         lambda _: {"url": "https://oidc.eks.us-east-1.amazonaws.com/id/A", "clientIdLists": ["sts.amazonaws.com"],
                    "tags": TAGS},
         lambda _: {"clientIdLists": ["sts.amazonaws.com", "another"]}),
    case("aws:kms/key:Key", lambda _: {"description": "secrets", "deletionWindowInDays": 7, "tags": TAGS},
         lambda _: {"enableKeyRotation": True, "rotationPeriodInDays": 180}),
    case("aws:kms/alias:Alias", lambda w: {"name": "alias/it", "targetKeyId": w.key["keyId"]},
         lambda w: {"targetKeyId": w.east.make("aws:kms/key:Key", "other")["keyId"]}),
    case("aws:eks/cluster:Cluster", lambda w: w.cluster_inputs(name=logged(w)),
         lambda w: {"version": "1.35", "deletionProtection": False, "enabledClusterLogTypes": ["audit"],
                    "zonalShiftConfig": {"enabled": True},
                    "vpcConfig": {"subnetIds": w.subnet_ids, "endpointPrivateAccess": True,
                    "endpointPublicAccess": True,
                                  "publicAccessCidrs": ["203.0.113.7/32"]}}),
    case("aws:eks/nodeGroup:NodeGroup", lambda w: w.group_inputs(),
         lambda w: {"scalingConfig": {"minSize": 1, "maxSize": 6, "desiredSize": 2}, "labels": {"a": "b"},
                    "taints": [{"key": "spot", "value": "yes", "effect": "NO_SCHEDULE"}]}),
    case("aws:eks/addon:Addon",
         lambda w: {"clusterName": (w.node_group, w.cluster)[1]["name"], "addonName": "coredns",
                    "addonVersion": "v1.12.3-eksbuild.1", "tags": TAGS},
         lambda w: {"addonVersion": "v1.12.4-eksbuild.1", "configurationValues": '{"replicaCount": 2}',
                    "podIdentityAssociations": [{"roleArn": w.pod_role["arn"], "serviceAccount": "coredns"}]}),
    case("aws:eks/accessEntry:AccessEntry",
         lambda w: {"clusterName": w.cluster["name"], "principalArn": w.pod_role["arn"], "tags": TAGS},
         lambda _: {"kubernetesGroups": ["readers"]}),
    case("aws:eks/accessPolicyAssociation:AccessPolicyAssociation", lambda w: policy_inputs(w)),
    case("aws:eks/podIdentityAssociation:PodIdentityAssociation",
         lambda w: {"clusterName": w.cluster["name"], "namespace": "kube-system", "serviceAccount": "controller",
                    "roleArn": w.pod_role["arn"], "tags": TAGS},
         lambda w: {"roleArn": w.role("pods-2", "pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")["arn"]}),
    case("aws:route53/record:Record",
         lambda w: {"zoneId": zone(w), "name": "api", "type": "A", "ttl": 60, "records": ["192.0.2.1"]},
         lambda _: {"records": ["192.0.2.2"]}),
    case("aws:route53/healthCheck:HealthCheck",
         lambda _: {"type": "HTTP", "fqdn": "use1.exam-platform.com", "port": 80, "resourcePath": "/healthz",
                    "requestInterval": 30, "failureThreshold": 3, "tags": TAGS},
         lambda _: {"failureThreshold": 2}),
]  # fmt: skip


def logged(world: World) -> str:
    """A cluster's name that has a log group: control-plane logs would make one themselves."""
    world.east.make("aws:cloudwatch/logGroup:LogGroup", "logs", name="/aws/eks/logged/cluster")
    return "logged"


def gateway(engine: Engine) -> Made:
    return engine.make("aws:ec2transitgateway/transitGateway:TransitGateway", "tgw", tags={"Name": "tgw"})


def peer_inputs(world: World) -> Inputs:
    return {
        "transitGatewayId": gateway(world.east).id,
        "peerTransitGatewayId": gateway(world.west).id,
        "peerRegion": "us-west-2",
        "tags": TAGS,
    }


def peer_attachment(world: World) -> Made:
    return world.east.make("aws:ec2transitgateway/peeringAttachment:PeeringAttachment", "peer", **peer_inputs(world))


def transit_route(world: World) -> Inputs:
    attachment = peer_attachment(world)
    world.west.make(
        "aws:ec2transitgateway/peeringAttachmentAccepter:PeeringAttachmentAccepter",
        "accepter",
        transitGatewayAttachmentId=attachment.id,
    )
    table = world.east.adopt(
        "aws:ec2transitgateway/transitGateway:TransitGateway", "tgw", attachment["transitGatewayId"]
    )
    return {
        "destinationCidrBlock": "10.1.0.0/16",
        "transitGatewayAttachmentId": attachment.id,
        "transitGatewayRouteTableId": table["associationDefaultRouteTableId"],
    }


def policy_inputs(world: World) -> Inputs:
    entry = world.east.make(
        "aws:eks/accessEntry:AccessEntry", clusterName=world.cluster["name"], principalArn=world.pod_role["arn"]
    )
    return {
        "clusterName": world.cluster["name"],
        "principalArn": entry["principalArn"],
        "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
        "accessScope": {"type": "namespace", "namespaces": ["exam"]},
    }


def covers(outputs: Any, inputs: Any) -> bool:
    """Whether everything that was said is told back. A list may be in another order."""
    if isinstance(inputs, Mapping):
        return isinstance(outputs, Mapping) and all(covers(outputs.get(name), each) for name, each in inputs.items())
    if isinstance(inputs, list) and isinstance(outputs, list):
        return len(inputs) == len(outputs) and all(any(covers(out, each) for out in outputs) for each in inputs)
    return outputs == inputs


def test_every_type_has_a_round_trip() -> None:
    told = {each.values[0] for each in CASES}
    # Its authority has to be there beforehand: test_authority.
    assert set(KINDS) - told == {"aws:acmpca/certificate:Certificate"}


@pytest.mark.parametrize(("token", "inputs", "changed", "far", "stays"), CASES)
def test_round_trip(
    world: World,
    token: str,
    inputs: Callable[[World], Inputs],
    changed: Callable[[World], Inputs] | None,
    far: bool,
    stays: bool,
) -> None:
    engine = world.west if far else world.east
    aws = Aws("us-west-2" if far else "us-east-1", "123456789012")
    wanted = inputs(world)
    others = changed(world) if changed else {}
    before = inventory()
    made = engine.make(token, **wanted)
    assert covers(made.outputs, wanted), made.outputs
    assert engine.diff(made, **wanted) == ({}, False), "a second run changes nothing"
    assert engine.read(made) == made.outputs, "a refresh finds it as it is"
    assert set(KINDS[token].computed) <= set(made.outputs) | SOMETIMES, "computed outputs are told"

    identity = KINDS[token].find(aws, made.inputs)
    assert identity, "one whose making was cut off is found by what it was made from"
    adopted = engine.adopt(token, "it", identity)
    assert adopted.id == made.id
    assert replaced(engine.diff(adopted, **wanted)) == [], "an adopted one is not made anew"

    if changed:
        new = {name: value for name, value in {**wanted, **others}.items() if value is not None}
        paths, first = engine.diff(made, **new)
        assert paths, "the change is seen"
        assert replaced((paths, first)) == [], "it happens in place"
        made = engine.update(made, **new)
        assert covers(made.outputs, new), made.outputs
        assert engine.diff(made, **new) == ({}, False)
        assert engine.read(made) == made.outputs

    engine.delete(made)
    if not stays:
        assert inventory() == before, "nothing of it is left"
        assert engine.read(made) == {}, "it is gone"
        engine.delete(made)  # and to delete it again is no error
        assert KINDS[token].find(aws, made.inputs) is None


def replaced(answer: tuple[dict[str, str], bool]) -> list[str]:
    return [path for path, kind in answer[0].items() if kind.endswith("REPLACE")]
