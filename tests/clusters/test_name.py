"""One public name over all regions, and certificates for it."""

import json
from typing import Any

import pulumi
import pytest

from components.clusters import provision, public_name
from components.clusters.name import balancer_of
from tests import mocks
from tests.aws import all_before, aws_config, aws_stack, made, tags
from tests.builders import Yaml

ZONE = {"zone": "exam-platform.com", "zoneId": "Z0123456789ABCDEFGHIJ"}
HOSTS = ["exam-platform.com", "*.exam-platform.com"]


def named(policy: Yaml, **run: Any) -> mocks.Recording:
    values = aws_stack(2, gateways__ingress__name={**ZONE, **policy}, gateways__ingress__servers__0__hosts=HOSTS)
    config = aws_config(values)

    def program() -> None:
        clusters = provision(config)
        public_name(
            config,
            clusters=clusters,
            addresses={found.name: pulumi.Output.from_input(f"balancer-of-{found.name}") for found in clusters},
            served_by={
                found.name: [pulumi.ComponentResource("test:served:By", f"{found.name}-ingress")] for found in clusters
            },
        )

    return mocks.run(program, **run)


@pytest.fixture(scope="module")
def latency() -> mocks.Recording:
    return named({"latency": {}, "healthCheck": {"interval": 10, "failures": 2}})


def test_a_region_is_asked_whether_its_gateway_is_ready(latency: mocks.Recording) -> None:
    assert latency.named("public-name-usw2-answers").inputs == {
        "type": "HTTP",
        "fqdn": "balancer-of-usw2",
        "port": 15021,
        "resourcePath": "/healthz/ready",
        "requestInterval": 10,
        "failureThreshold": 2,
        "tags": tags("usw2-ingress", "us-west-2"),
    }


def test_each_host_leads_to_the_nearest_region_that_answers(latency: mocks.Recording) -> None:
    assert latency.named("public-name-exam-platform.com-usw2").inputs == {
        "zoneId": "Z0123456789ABCDEFGHIJ",
        "name": "exam-platform.com",
        "type": "A",
        "setIdentifier": "usw2",
        "healthCheckId": "public-name-usw2-answers-id",
        # The zone of Network Load Balancers in us-west-2.
        "aliases": [{"name": "balancer-of-usw2", "zoneId": "Z18D5FSROUN65G", "evaluateTargetHealth": True}],
        "latencyRoutingPolicies": [{"region": "us-west-2"}],
    }
    assert {found.name for found in latency.of_type("Record")} == {
        f"public-name-{host}-{cluster}"
        for host in ("exam-platform.com", "any.exam-platform.com")
        for cluster in ("use1", "usw2")
    }


def test_one_region_first_and_the_other_when_it_fails() -> None:
    recording = named({"failover": {"primary": "usw2"}})
    policies = {
        found.inputs["setIdentifier"]: found.inputs["failoverRoutingPolicies"] for found in recording.of_type("Record")
    }
    assert policies == {"usw2": [{"type": "PRIMARY"}], "use1": [{"type": "SECONDARY"}]}


def test_a_load_balancer_that_is_not_there_is_told() -> None:
    assert balancer_of("balancer", "use1") == "balancer"
    with pytest.raises(pulumi.RunError) as caught:
        balancer_of("", "use1")
    assert str(caught.value) == (
        "The ingress gateway of use1 has no load balancer, to which the public name could lead. See why: `kubectl get "
        "service -n istio-ingress istio-ingress` and its events, in use1."
    )


def test_a_stack_without_a_name_has_no_record() -> None:
    config = aws_config(aws_stack(1))
    recording = mocks.run(lambda: public_name(config, clusters=provision(config), addresses={}, served_by={}))
    assert recording.of_type("PublicName") == []


@pytest.fixture(scope="module")
def issuing() -> mocks.Recording:
    return made(
        aws_stack(
            1,
            gateways__ingress__name={**ZONE, "latency": {}},
            aws__certManager={"version": "v1.19.1-eksbuild.1", "email": "platform@exam-platform.com"},
            gateways__ingress__servers__0__tls={"certManager": {"issuer": "letsencrypt"}},
        )
    )[0]


def test_cert_manager_is_an_add_on_with_an_issuer(issuing: mocks.Recording) -> None:
    assert issuing.named("use1-cert-manager-addon").inputs == {
        "clusterName": "exam-test-use1",
        "addonName": "cert-manager",
        "addonVersion": "v1.19.1-eksbuild.1",
        "resolveConflictsOnCreate": "OVERWRITE",
        "resolveConflictsOnUpdate": "PRESERVE",
        "tags": tags("use1-cert-manager"),
    }
    issuer = issuing.named("use1-cert-manager-issuer")
    assert issuer.inputs["metadata"] == {"name": "letsencrypt"}
    assert issuer.inputs["spec"] == {
        "acme": {
            "server": "https://acme-v02.api.letsencrypt.org/directory",
            "email": "platform@exam-platform.com",
            "privateKeySecretRef": {"name": "letsencrypt-account"},
            "solvers": [{"dns01": {"route53": {"region": "us-east-1", "hostedZoneID": "Z0123456789ABCDEFGHIJ"}}}],
        }
    }
    assert "use1-cert-manager-addon" in all_before(issuing, issuer.name)


def test_its_pods_are_made_when_they_have_their_rights(issuing: mocks.Recording) -> None:
    before = all_before(issuing, "use1-cert-manager-addon")
    assert {"use1-cert-manager-identity", "use1-cert-manager-cert-manager-own"} <= before, (
        "EKS gives credentials to a pod when it is made alone"
    )


def test_its_service_account_alone_takes_its_role(issuing: mocks.Recording) -> None:
    role = dict(issuing.named("use1-cert-manager-cert-manager-role").inputs)
    assert json.loads(role.pop("assumeRolePolicy")) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
        ],
    }
    assert role == {"name": "exam-test-use1-cert-manager", "tags": tags("use1-cert-manager")}
    assert issuing.named("use1-cert-manager-identity").inputs == {
        "clusterName": "exam-test-use1",
        "namespace": "cert-manager",
        "serviceAccount": "cert-manager",
        "roleArn": "arn:aws:test:::use1-cert-manager-cert-manager-role",
        "tags": tags("use1-cert-manager"),
    }


def test_it_writes_proofs_into_one_zone_and_nothing_else(issuing: mocks.Recording) -> None:
    own = dict(issuing.named("use1-cert-manager-cert-manager-own").inputs)
    zone = "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"
    assert json.loads(own.pop("policy")) == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["route53:GetChange"], "Resource": "arn:aws:route53:::change/*"},
            {"Effect": "Allow", "Action": ["route53:ListResourceRecordSets"], "Resource": zone},
            {
                "Effect": "Allow",
                "Action": ["route53:ChangeResourceRecordSets"],
                "Resource": zone,
                "Condition": {
                    "ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": ["TXT"]},
                    "ForAllValues:StringLike": {
                        "route53:ChangeResourceRecordSetsNormalizedRecordNames": ["_acme-challenge.*"]
                    },
                },
            },
        ],
    }
    assert own == {"name": "exam-test-use1-cert-manager", "role": "exam-test-use1-cert-manager"}
