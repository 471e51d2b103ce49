"""What may be wrong with public names, certificates and trust that come from AWS.

Each case is a valid stack, a change of it, and every fault that it must show, word by word.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.aws import (
    AUTHORITY,
    CERT_MANAGER,
    ZONE,
    aws_faults_of,
    aws_stack,
    existing,
)
from tests.builders import ABSENT, Yaml

CASES: list[tuple[str, Yaml, dict[str, Any], list[str]]] = [
    (
        "name of clusters that exist",
        aws_stack(),
        {
            "clusters": [existing("use1", "us-east-1"), existing("usw2", "us-west-2")],
            "aws": ABSENT,
            "gateways.ingress.name": {**ZONE, "latency": {}},
        },
        [
            (
                "istio-mesh:gateways.ingress.name: not all clusters are made by this stack in AWS. The hosted "
                "zone of a load balancer elsewhere is not known, and no record could lead to it. Take it out, and"
                " point the hosts to the addresses among the stack's outputs."
            ),
        ],
    ),
    (
        "name without a policy",
        aws_stack(),
        {"gateways.ingress.name": ZONE},
        [
            (
                "istio-mesh:gateways.ingress.name: exactly one of `latency`, `failover` is needed, and none of "
                "them is given. Route 53 could not choose among the regions. Write `latency: {}`, or `failover` "
                "with its `primary`."
            ),
        ],
    ),
    (
        "host outside of the zone",
        aws_stack(),
        {"gateways.ingress.name": {**ZONE, "zone": "other.com", "latency": {}}},
        [
            (
                "istio-mesh:gateways.ingress.servers[0].hosts[0]: `exam-platform.com` is not in the zone "
                "other.com. It would have no record, and nobody would find it. Take it out, or serve it from a "
                "stack with that zone."
            ),
        ],
    ),
    (
        "zone without a host",
        aws_stack(),
        {"gateways.ingress.name": {**ZONE, "latency": {}}, "gateways.ingress.servers": []},
        [
            (
                "istio-mesh:gateways.ingress.name: there is a zone and no host. No record would be made in it. "
                "Add `servers`, or take `name` out."
            ),
        ],
    ),
    (
        "failover of three regions",
        aws_stack(3),
        {"gateways.ingress.name": {**ZONE, "failover": {"primary": "use1"}}},
        [
            (
                "istio-mesh:gateways.ingress.name.failover: failover is between two regions, and there are 3. The"
                " others would get no request at all. Write `latency: {}`."
            ),
        ],
    ),
    (
        "failover to a cluster that is not there",
        aws_stack(),
        {"gateways.ingress.name": {**ZONE, "failover": {"primary": "euw1"}}},
        [
            (
                "istio-mesh:gateways.ingress.name.failover.primary: there is no cluster `euw1`. No region would "
                "be the first one. Name one of `use1`, `usw2`."
            ),
        ],
    ),
    (
        "cert-manager that nobody installs",
        aws_stack(),
        {"gateways.ingress.servers.0.tls": {"certManager": {"issuer": "letsencrypt"}}},
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls.certManager: a cluster that has just been made has no"
                " cert-manager. The first `pulumi up` would stop at its kinds. Add `aws.certManager`, or give a "
                "certificate."
            ),
        ],
    ),
    (
        "issuer that nobody makes",
        aws_stack(),
        {
            "gateways.ingress.name": {**ZONE, "latency": {}},
            "aws.certManager": CERT_MANAGER,
            "gateways.ingress.servers.0.tls": {"certManager": {"issuer": "internal"}},
        },
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls.certManager: there is no ClusterIssuer `internal` in "
                "a cluster that has just been made. No certificate would be issued. Write `certManager: {issuer: "
                "letsencrypt}`."
            ),
        ],
    ),
    (
        "cert-manager without a zone",
        aws_stack(),
        {"aws.certManager": CERT_MANAGER},
        [
            (
                "istio-mesh:aws.certManager: there is no zone in which it could prove whose the hosts are. No "
                "certificate would be issued. Add `gateways.ingress.name`."
            ),
        ],
    ),
    (
        "private authority that is none",
        aws_stack(),
        {"trust.root": {"privateCa": {"arn": "arn:aws:acm-pca:us-east-1:111122223333:authority/1"}}},
        [
            (
                "istio-mesh:trust.root.privateCa.arn: `arn:aws:acm-pca:us-east-1:111122223333:authority/1` is not"
                " the ARN of a private certificate authority. Nothing could sign the intermediates. Write it as "
                "in "
                "`arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/11111111-2222-3333-4444-555555555555`."
            ),
        ],
    ),
    (
        "intermediates of AWS for hours",
        aws_stack(),
        {"trust.root": {"privateCa": {"arn": AUTHORITY}}, "trust.intermediates": {"lifetime": "730d12h"}},
        [
            (
                "istio-mesh:trust.intermediates.lifetime: the intermediates' lifetime (730d12h) is not one of "
                "whole days. AWS Private CA is asked for days. Write days, as in `730d`."
            ),
        ],
    ),
    (
        "workloads as long as intermediates of AWS",
        aws_stack(),
        {
            "trust.root": {"privateCa": {"arn": AUTHORITY}},
            "trust.intermediates": {"lifetime": "2d", "warnBefore": "1d"},
            "trust.workloadCertificates": {"maxLifetime": "2d"},
        },
        [
            (
                "istio-mesh:trust.workloadCertificates.maxLifetime: workload certificates may live for 2d, the "
                "intermediates for 2d. A workload's certificate would outlive its signer, and be refused while it"
                " looks valid. Lower `workloadCertificates.maxLifetime` or lengthen `intermediates.lifetime`."
            ),
        ],
    ),
]


@pytest.mark.parametrize(("stack", "changes", "faults"), [pytest.param(s, c, f, id=i) for i, s, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, stack: Yaml, changes: dict[str, Any], faults: list[str]
) -> None:
    assert aws_faults_of(stack, changes, tmp_path) == faults
