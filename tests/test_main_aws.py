"""The whole program on stacks that make clusters in AWS: the graph of a first preview, its order, its way back."""

import runpy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.clusters import eks_warning
from components.config.support import eks_support_of
from tests import mocks
from tests.aws import NODES, all_before, aws_config, aws_stack, private_stack
from tests.builders import Yaml, with_secrets

REPOSITORY = Path(__file__).parents[1]
SECRETS = ("trust", "gateways")


def run(values: Yaml, **options: Any) -> mocks.Recording:
    program = str(REPOSITORY / "__main__.py")
    return mocks.run(lambda: runpy.run_path(program, run_name="__main__"), config=values, secrets=SECRETS, **options)


def of_file(stack: str) -> Yaml:
    written = yaml.safe_load((REPOSITORY / f"Pulumi.{stack}.yaml").read_text())["config"]
    return with_secrets({key.removeprefix("istio-mesh:"): value for key, value in written.items()})


@pytest.fixture(scope="module", params=["staging", "prod"])
def values(request: pytest.FixtureRequest) -> Yaml:
    return of_file(request.param)


@pytest.fixture(scope="module")
def recording(values: Yaml) -> mocks.Recording:
    return run(values)


def of_aws(recording: mocks.Recording) -> list[mocks.Registered]:
    return [found for found in recording.resources if found.type.startswith("aws:")]


def test_a_first_preview_shows_the_whole_graph_and_asks_nobody(values: Yaml, recording: mocks.Recording) -> None:
    """The mocks refuse every call of a provider's function."""
    preview = run(values, preview=True)
    assert sorted((r.type, r.name) for r in preview.resources) == sorted((r.type, r.name) for r in recording.resources)
    assert "clusters" in preview.unknown_outputs


def test_everything_in_aws_is_made_through_the_provider_of_its_region(recording: mocks.Recording) -> None:
    providers = {found.provider for found in of_aws(recording)}
    assert None not in providers, "none goes by the environment's region"
    assert {"aws-us-east-1", "aws-us-west-2"} <= providers
    for found in recording.of_type("aws"):
        assert found.inputs["allowedAccountIds"] in ('["111122223333"]', '["444455556666"]')


def test_what_can_have_tags_has_all_of_them(recording: mocks.Recording) -> None:
    bare = {
        found.type
        for found in of_aws(recording)
        if not {"Name", "owner", "environment", "costCentre", "stack", "region"} <= set(found.inputs.get("tags", {}))
    }
    assert bare <= {
        # Types of AWS without tags.
        "aws:ec2/route:Route",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:kms/alias:Alias",
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "aws:route53/record:Record",
        "aws:acmpca/certificate:Certificate",
    }


def test_names_in_the_account_are_there_once(recording: mocks.Recording) -> None:
    """Roles are known in all regions by their name."""
    names = [found.inputs["name"] for found in recording.of_type("Role")]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 64 for name in names)


def test_nothing_is_made_in_a_cluster_before_the_deployer_gets_in(recording: mocks.Recording) -> None:
    inside = [found for found in recording.resources if found.provider in ("use1-provider", "usw2-provider")]
    assert len(inside) > 40
    for found in inside:
        before = all_before(recording, found.name)
        cluster = str(found.provider).removesuffix("-provider")
        assert {f"{cluster}-eks-cluster", f"{cluster}-eks-access-deployer-rights", f"{cluster}-reachability"} <= before


def test_load_balancers_are_gone_before_what_they_stand_on(recording: mocks.Recording) -> None:
    """Destroy is the same way back: what must be there first goes last."""
    for cluster, region in (("use1", "us-east-1"), ("usw2", "us-west-2")):
        for gateway in ("ingress", "east-west"):
            before = all_before(recording, f"{cluster}-gateways-{gateway}")
            network = f"{cluster}-network"
            assert {
                f"{network}-vpc",
                f"{network}-public-{region}a",
                f"{network}-private-{region}a",
                f"{network}-internet",
                f"{network}-private-{region}a-to-internet",
                f"{cluster}-eks-cluster",
                f"{cluster}-rules-mesh-15443-{'usw2' if cluster == 'use1' else 'use1'}",
                "between-regions-use1-usw2-accepted",
            } <= before
        # A namespace is gone when the last Service in it is, with its load balancer.
        assert f"{cluster}-gateways-ingress-namespace" in all_before(recording, f"{cluster}-gateways-ingress")


def test_the_public_name_is_gone_before_what_it_leads_to(recording: mocks.Recording) -> None:
    """The Service that tells the load balancer's name is read, and the engine keeps no order by what is read."""
    for cluster in ("use1", "usw2"):
        records = [found for found in recording.of_type("Record") if found.name.endswith(f"-{cluster}")]
        assert records
        for found in [*records, recording.named(f"public-name-{cluster}-answers")]:
            assert {f"{cluster}-gateways-ingress", f"{cluster}-ingress-gateway"} <= found.dependencies


def test_who_takes_load_balancers_away_outlives_them() -> None:
    recording = run(of_file("staging"))
    for cluster in ("use1", "usw2"):
        for namespace in (f"{cluster}-gateways-ingress-namespace", f"{cluster}-control-plane-namespace"):
            before = all_before(recording, namespace)
            assert {f"{cluster}-load-balancers-release", f"{cluster}-compute-spot"} <= before


def test_the_runner_in_a_vpc_has_its_way_before_anybody_asks_and_until_all_is_gone() -> None:
    recording = run(of_file("prod"))
    for cluster, region in (("use1", "us-east-1"), ("usw2", "us-west-2")):
        assert {
            f"{cluster}-management-from-rtb-0123456789abcdef0",
            *(f"{cluster}-management-back-{region}{letter}" for letter in "abc"),
            f"{cluster}-rules-api-443-management",
        } <= all_before(recording, f"{cluster}-reachability")


def test_a_cluster_of_eks_is_to_the_rest_like_any_other(recording: mocks.Recording) -> None:
    use1 = recording.outputs["clusters"]["use1"]
    assert use1["apiServer"] == "https://USE1-EKS-CLUSTER.gr7.eks.amazonaws.com"
    assert use1["kubernetesVersion"] == "v1.35"
    read = recording.named("remote-use1-in-usw2").inputs
    assert read["metadata"]["name"] == "istio-remote-secret-use1"
    assert recording.named("remote-use1-in-usw2").provider == "usw2-provider"


def test_credentials_are_asked_for_when_they_are_needed(recording: mocks.Recording) -> None:
    provider = recording.named("use1-provider").inputs
    kubeconfig = yaml.safe_load(provider["kubeconfig"])
    name = recording.named("use1-eks-cluster").inputs["name"]
    assert provider["clusterIdentifier"] == name
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://USE1-EKS-CLUSTER.gr7.eks.amazonaws.com"
    assert kubeconfig["users"] == [
        {
            "name": name,
            "user": {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1beta1",
                    "command": "aws",
                    "args": [
                        "eks", "get-token", "--cluster-name", name, "--region", "us-east-1", "--output", "json",
                    ],
                    "interactiveMode": "Never",
                }
            },
        }
    ]  # fmt: skip
    remains = recording.named("use1-control-plane-remains").inputs
    assert remains["kubeconfig"] == provider["kubeconfig"], "so that destroy finds its way as well"


def test_a_primary_and_its_remote_are_made_in_aws_too() -> None:
    values = private_stack(2, clusters__1__primary="use1")
    recording = run(values)
    assert [found.name for found in recording.of_type("Injection")] == ["usw2-control-plane-injection"]
    assert {"use1-rules-istiod-15012-usw2", "use1-rules-istiod-15017-usw2"} <= set(recording.names)
    assert sorted(run(values, preview=True).names) == sorted(recording.names)


def test_regions_may_differ_in_what_their_pods_run_on() -> None:
    recording = run(aws_stack(3, clusters__1__eks__compute={"nodeGroups": {"general": NODES}}))
    services = {
        name: recording.named(f"{name}-gateways-ingress").inputs["values"]["service"]
        for name in ("use1", "usw2", "euw1")
    }
    assert [service.get("loadBalancerClass") for service in services.values()] == [
        "eks.amazonaws.com/nlb",
        "service.k8s.aws/nlb",
        "eks.amazonaws.com/nlb",
    ]


@pytest.mark.parametrize(("days", "word"), [(-61, None), (-60, "ends"), (0, "ends"), (1, "ended")])
def test_the_end_of_a_versions_support_is_told_in_time(days: int, word: str | None) -> None:
    cluster = aws_config(aws_stack(1, clusters__0__eks__version="1.34")).clusters[0]
    support = eks_support_of("1.34")
    assert support is not None
    assert support.end_of_support is not None
    said = eks_warning(cluster, support.end_of_support + timedelta(days=days))
    assert said == (
        None
        if word is None
        else f"EKS 1.34 of cluster `use1`: its standard support {word} on 2026-12-02. From then on EKS raises the "
        "version by itself, on a day of its own. Raise `eks.version` by one."
    )
