"""Load balancers in AWS: what gateways' Services say, and the controller that makes them."""

import json
from typing import Any

import pulumi
import pytest

from components.clusters.balancers import load_balancer
from components.clusters.cluster import LoadBalancer
from components.config.gateways import DrainConfig, EastWestConfig, IngressConfig
from components.mesh.values import east_west_values, ingress_values
from tests import mocks
from tests.aws import NODES, all_before, aws_config, aws_stack, made, tags

PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
MESH = aws_config(aws_stack()).mesh


def said(balancer: LoadBalancer) -> dict[str, str]:
    assert all(key.startswith(PREFIX) for key in balancer.annotations)
    return {key.removeprefix(PREFIX): value for key, value in balancer.annotations.items()}


HEALTH = {"healthcheck-protocol": "http", "healthcheck-port": "15021", "healthcheck-path": "/healthz/ready"}


def test_with_auto_mode_the_class_names_the_owner() -> None:
    found = load_balancer(
        automatic=True, internal=True, keeps_client=True, tags={"a": "b"}, source_ranges=["10.0.0.0/8"]
    )
    assert found.class_name == "eks.amazonaws.com/nlb"
    assert found.source_ranges == ("10.0.0.0/8",)
    assert said(found) == {
        "nlb-target-type": "ip",
        "scheme": "internal",
        "target-group-attributes": "preserve_client_ip.enabled=true",
        **HEALTH,
        "additional-resource-tags": "a=b",
    }


def test_with_the_controller_class_and_annotation_name_the_owner() -> None:
    found = load_balancer(automatic=False, internal=False, keeps_client=False, tags={"a": "b", "c": "d"})
    assert found.class_name == "service.k8s.aws/nlb"
    assert said(found) == {
        "type": "external",
        "nlb-target-type": "ip",
        "scheme": "internet-facing",
        "target-group-attributes": "preserve_client_ip.enabled=false",
        **HEALTH,
        "additional-resource-tags": "a=b,c=d",
    }


def test_gateways_services_say_it_and_others_say_nothing() -> None:
    balancer = LoadBalancer({"note": "value"}, "a-class", ("10.0.0.0/8",))
    service = {
        "type": "LoadBalancer",
        "annotations": {"note": "value"},
        "loadBalancerClass": "a-class",
        "loadBalancerSourceRanges": ["10.0.0.0/8"],
    }
    arguments: dict[str, Any] = {"drain": DrainConfig(), "release": "gateway", "proxy": "digest"}
    ingress = ingress_values(MESH, IngressConfig(), **arguments, balancer=balancer)
    assert ingress["service"] == service
    between = east_west_values(MESH, EastWestConfig(), **arguments, network="use1", balancer=balancer)
    assert between["service"] == service
    serving = east_west_values(
        MESH, EastWestConfig(), **arguments, network="use1", balancer=balancer, serves_remotes=True
    )
    assert {key: serving["service"][key] for key in service} == service
    assert ingress_values(MESH, IngressConfig(), **arguments)["service"] == {"type": "LoadBalancer"}


@pytest.fixture(scope="module")
def recording() -> mocks.Recording:
    return made(aws_stack(2, clusters__0__eks__compute={"nodeGroups": {"general": NODES}}))[0]


def test_the_controller_is_there_where_auto_mode_is_not(recording: mocks.Recording) -> None:
    assert [found.name for found in recording.of_type("LoadBalancerController")] == ["use1-load-balancers"]
    release = recording.named("use1-load-balancers-release")
    common = {key: value for key, value in tags("use1").items() if key != "Name"}
    assert release.inputs == {
        "chart": "aws-load-balancer-controller",
        "version": "1.14.1",
        "repositoryOpts": {"repo": "https://aws.github.io/eks-charts"},
        "name": "aws-load-balancer-controller",
        "namespace": "kube-system",
        "values": {
            "clusterName": "exam-test-use1",
            "region": "us-east-1",
            "vpcId": "use1-network-vpc-id",
            "replicaCount": 2,
            "podDisruptionBudget": {"maxUnavailable": 1},
            "serviceAccount": {"create": True, "name": "aws-load-balancer-controller"},
            "enableServiceMutatorWebhook": False,
            "defaultTags": common,
        },
        "timeout": 600,
        "maxHistory": 3,
        "compat": "true",
    }
    assert release.provider == "use1-provider"


def test_its_chart_may_come_from_a_folder(recording: mocks.Recording) -> None:
    compute = {"nodeGroups": {"general": NODES}}
    found = made(
        aws_stack(
            1, clusters__0__eks__compute=compute, aws__loadBalancerController={"charts": {"folder": ".lab/charts"}}
        )
    )[0].named("use1-load-balancers-release")
    assert found.inputs["chart"] == ".lab/charts/aws-load-balancer-controller"
    assert "version" not in found.inputs


def test_its_pods_have_a_role_by_their_account(recording: mocks.Recording) -> None:
    assert recording.named("use1-load-balancers-identity").inputs == {
        "clusterName": "exam-test-use1",
        "namespace": "kube-system",
        "serviceAccount": "aws-load-balancer-controller",
        "roleArn": "arn:aws:test:::use1-load-balancers-load-balancer-controller-role",
        "tags": tags("use1-load-balancer-controller"),
    }
    policy = json.loads(recording.named("use1-load-balancers-load-balancer-controller-own").inputs["policy"])
    assert len(json.dumps(policy)) < 10_240, "IAM takes no longer policy within a role"
    deletes = [
        statement
        for statement in policy["Statement"]
        if any(action.partition(":")[2].startswith("Delete") for action in statement["Action"])
        and "elasticloadbalancing:DeleteListener" not in statement["Action"]
    ]
    assert deletes
    mine = {"aws:ResourceTag/elbv2.k8s.aws/cluster": "false"}.items()
    assert all(mine <= statement["Condition"]["Null"].items() for statement in deletes), "of others it deletes nothing"


def test_it_starts_when_nodes_have_dns(recording: mocks.Recording) -> None:
    before = all_before(recording, "use1-load-balancers-release")
    assert {"use1-compute-general", "use1-compute-coredns", "use1-load-balancers-identity"} <= before


def test_east_west_is_internal_and_for_the_peers() -> None:
    found: list[Any] = []

    def program() -> None:
        from components.clusters import provision

        clusters = provision(aws_config(aws_stack(3)))
        pulumi.Output.all(*clusters[0].balancers.east_west.source_ranges).apply(found.extend)
        found.append(said(clusters[0].balancers.east_west)["scheme"])
        found.append(said(clusters[0].balancers.ingress)["scheme"])

    mocks.run(program)
    assert sorted(found) == ["10.65.0.0/16", "10.66.0.0/16", "internal", "internet-facing"]
