"""Quotas of a fresh account (each service's page of endpoints and quotas in the AWS general reference)."""

from __future__ import annotations

DEFAULTS = {
    "ec2/vpcs-per-region": 5,
    "ec2/subnets-per-vpc": 200,
    "ec2/internet-gateways-per-region": 5,
    "ec2/nat-gateways-per-zone": 5,
    "ec2/elastic-ips-per-region": 5,
    "ec2/route-tables-per-vpc": 200,
    "ec2/routes-per-table": 50,
    "ec2/security-groups-per-region": 2500,
    "ec2/rules-per-security-group": 60,
    "ec2/active-peerings-per-vpc": 50,
    "ec2/interface-endpoints-per-vpc": 50,
    "ec2/gateway-endpoints-per-region": 20,
    "ec2/transit-gateways-per-region": 5,
    "eks/clusters-per-region": 100,
    "eks/node-groups-per-cluster": 30,
    "eks/pod-identity-associations-per-cluster": 1000,
    "elb/network-load-balancers-per-region": 50,
    "iam/roles": 1000,
    "iam/policies-per-role": 10,
}

LIMITS = dict(DEFAULTS)
"""As they are now: a rehearsal lowers one to see what happens at its end."""
