"""VPCs: what is open to the world, what is logged, and what one zone takes down."""

from collections.abc import Iterator

from policies.aws_clusters import is_world
from policies.catalogue import MANDATORY, Finding, Setting, resource_policy, stack_policy
from policies.resources import Stack, Subject
from policies.unknowns import Node

GROUP = "aws:ec2/securityGroup:SecurityGroup"
RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
VPC, SUBNET = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"
FLOW_LOG, NAT = "aws:ec2/flowLog:FlowLog", "aws:ec2/natGateway:NatGateway"


@resource_policy(
    "aws-security-group-open",
    MANDATORY,
    on=[GROUP, RULE, INGRESS_RULE],
    description="Only the ingress ports are open to the world.",
    reason="What was meant for peers, the east-west gateway and nodes among it, is found by scanners within minutes.",
    source="CIS AWS Foundations Benchmark 3.0 5.2 and 5.3",
)
def security_group_open(found: Subject, setting: Setting) -> Iterator[Finding]:
    for rule, protocol, ranges in _rules(found):
        world = next((text for item in ranges for text in item.texts if is_world(text)), None)
        if world is None:
            continue
        low, high = rule["fromPort"].number, rule["toPort"].number
        everything = rule[protocol].is_("-1", "all")
        if not everything and (low is None or high is None):
            continue
        ports = set(setting.parameters.ingress_ports)
        if everything or low is None or high is None or not set(range(int(low), int(high) + 1)) <= ports:
            said = (
                "every port" if everything else f"port {low:.0f}" if low == high else f"ports {low:.0f} to {high:.0f}"
            )
            yield Finding(
                f"{said} {'are' if said.startswith('ports') else 'is'} open to {world}",
                "Scanners find it within minutes",
                "name the peers' ranges; only "
                f"{', '.join(map(str, setting.parameters.ingress_ports))} may be open to the world",
                rule.path,
            )


def _rules(found: Subject) -> Iterator[tuple[Node, str, list[Node]]]:
    """Rules for what comes in: the rule, the name of its protocol, its ranges."""
    if found.resource.type == INGRESS_RULE:
        yield found.properties, "ipProtocol", [found["cidrIpv4"], found["cidrIpv6"]]
    elif found.resource.type == RULE:
        if found["type"].is_("ingress"):
            yield found.properties, "protocol", [found["cidrBlocks"], found["ipv6CidrBlocks"]]
    else:
        for rule in found["ingress"]:
            yield rule, "protocol", [rule["cidrBlocks"], rule["ipv6CidrBlocks"]]


@stack_policy(
    "aws-vpc-flow-logs",
    MANDATORY,
    on=[VPC],
    description="Every VPC has flow logs.",
    reason="Without them nobody can tell what an intruder reached, or why packets between regions are lost.",
    source="CIS AWS Foundations Benchmark 3.0 3.7; EKS best practices: network security",
)
def flow_logs(stack: Stack, _: Setting) -> Iterator[Finding]:
    logged = {urn for log in stack.of(FLOW_LOG) for urn in log.resource.property_dependencies.get("vpcId", ())}
    for vpc in stack.of(VPC):
        if vpc.resource.urn not in logged:
            yield Finding(
                "the VPC has no flow logs",
                "Nobody could tell what an intruder reached, or where packets are lost",
                "add a FlowLog with its `vpcId`",
                about=vpc,
            )


@stack_policy(
    "aws-nat-single",
    MANDATORY,
    on=[VPC],
    production=True,
    description="In production each zone has a NAT gateway of its own.",
    reason="A zone that fails takes the way out of all of them, JWKS and image pulls among it.",
    source="docs.aws.amazon.com/vpc: NAT gateway basics, create one in each Availability Zone",
)
def nat_single(stack: Stack, _: Setting) -> Iterator[Finding]:
    subnets = {subnet.resource.urn: subnet for subnet in stack.of(SUBNET)}
    for vpc in stack.of(VPC):
        own = {
            urn: subnet
            for urn, subnet in subnets.items()
            if vpc.resource.urn in subnet.resource.property_dependencies.get("vpcId", ())
        }
        zones = {text for subnet in own.values() if (text := subnet["availabilityZone"].text) is not None}
        with_nat = {
            text
            for nat in stack.of(NAT)
            for urn in nat.resource.property_dependencies.get("subnetId", ())
            if urn in own and (text := own[urn]["availabilityZone"].text) is not None
        }
        if with_nat and len(with_nat) < len(zones):
            yield Finding(
                f"{len(with_nat)} of {len(zones)} zones {'has' if len(with_nat) == 1 else 'have'} a NAT gateway",
                "A zone that fails takes the way out of the others with it",
                "make one in a public subnet of each zone",
                about=vpc,
            )
