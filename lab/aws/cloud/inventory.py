"""What is in the account, counted: everything that somebody has made and that has not been deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.aws.cloud.backends import backend, regions
from lab.aws.cloud.balancers import BALANCERS
from lab.aws.cloud.eks.state import CLUSTERS


def inventory() -> dict[str, list[str]]:
    """The ids of all that is there, by `service/kind/region`."""
    found: dict[str, list[str]] = {}
    for kind, region, id in _all():
        found.setdefault(f"{kind}/{region}", []).append(id)
    return {name: sorted(ids) for name, ids in sorted(found.items())}


def _all() -> Iterator[tuple[str, str, str]]:
    for region in regions("ec2"):
        for kind, id in _ec2(backend("ec2", region)):
            yield f"ec2/{kind}", region, id
    for region in regions("kms"):
        for key in backend("kms", region).keys.values():
            if key.key_manager == "CUSTOMER" and key.key_state != "PendingDeletion":
                yield "kms/key", region, key.id
            if key.key_manager == "CUSTOMER":
                yield from (("kms/alias", region, each) for each in key.aliases)
    for region in regions("logs"):
        yield from (("logs/group", region, each) for each in backend("logs", region).groups)
    for (region, name), cluster in CLUSTERS.items():
        yield "eks/cluster", region, name
        yield from (("eks/node-group", region, f"{name}/{each}") for each in cluster.nodes)
        yield from (("eks/addon", region, f"{name}/{each}") for each in cluster.addons)
        yield from (("eks/access-entry", region, f"{name}/{each}") for each in cluster.entries)
        yield from (("eks/pod-identity", region, f"{name}/{each}") for each in cluster.pods)
    yield from (("elb/load-balancer", region, each.name) for (region, _), each in BALANCERS.items())
    iam = backend("iam", "aws")
    yield from (("iam/role", "global", each.name) for each in iam.roles.values())
    yield from (("iam/oidc-provider", "global", each) for each in iam.open_id_providers)
    yield from (("route53/health-check", "global", each) for each in backend("route53", "aws").health_checks)
    for zone in backend("route53", "aws").zones.values():
        yield from (
            ("route53/record", "global", f"{each.name} {each.type} {each.set_identifier or ''}".strip())
            for each in zone.rrsets
            if each.type not in ("NS", "SOA")
        )


def _ec2(ec2: Any) -> Iterator[tuple[str, str]]:
    # A region has a default VPC with its parts, before anybody has made anything (VPC user guide, default VPCs).
    default = {each.id for each in ec2.vpcs.values() if each.is_default}
    yield from (("vpc", each.id) for each in ec2.vpcs.values() if each.id not in default)
    for subnets in ec2.subnets.values():
        yield from (("subnet", each.id) for each in subnets.values() if each.vpc_id not in default)
    yield from (("internet-gateway", each) for each in ec2.internet_gateways)
    yield from (("nat-gateway", each.id) for each in ec2.nat_gateways.values() if each.state != "deleted")
    yield from (("elastic-ip", each.allocation_id) for each in ec2.addresses)
    for table in ec2.route_tables.values():
        if table.vpc_id not in default:
            yield "route-table", table.id
    for vpc, groups in ec2.groups.items():
        yield from (("security-group", each.id) for each in groups.values() if vpc not in default)
    yield from (("network-interface", each) for each in ec2.enis)
    yield from (("vpc-endpoint", each.id) for each in ec2.vpc_end_points.values() if each.state != "deleted")
    yield from (("flow-log", each.id) for each in ec2.flow_logs.values())
    yield from (("launch-template", each) for each in ec2.launch_templates)
    dead = ("deleted", "rejected", "failed", "expired")
    yield from (("vpc-peering", each.id) for each in ec2.vpc_pcxs.values() if each._status.code not in dead)
    yield from (("transit-gateway", each.id) for each in ec2.transit_gateways.values() if each.state != "deleted")
    yield from (
        ("transit-gateway-attachment", each.id)
        for each in ec2.transit_gateway_attachments.values()
        if each.state not in dead
    )
