"""The provider's protocol, beside the types themselves."""

from __future__ import annotations

import pytest
from pulumi.runtime.proto import provider_pb2

from lab.aws.cloud.server import Account
from lab.aws.place import ENDPOINT
from lab.aws.plugin import values
from lab.aws.plugin.differences import between
from lab.aws.plugin.settings import SettingsFault, read_settings
from lab.aws.plugin.tables import tables
from tests.lab_aws.provider import Engine, Refused
from tests.lab_aws.world import CLUSTER, VPC, World


@pytest.mark.parametrize(
    ("token", "inputs", "message"),
    [
        ("aws:s3/bucket:Bucket", {}, "aws:s3/bucket:Bucket: the stand-in for AWS does not carry this resource type"),
        (VPC, {"cidr": "10.0.0.0/16"}, "cidr is no input of this type; it has assignGeneratedIpv6CidrBlock, cidrBlock"),
        (VPC, {"cidrBlock": 10}, "cidrBlock is 10, and has to be text"),
        (
            VPC,
            {"cidrBlock": "10.0.0.0/16", "enableDnsSupport": "yes"},
            "enableDnsSupport is 'yes', and has to be true or",
        ),
        (VPC, {"cidrBlock": "10.0.0.0/16", "tags": {"a": 1}}, "tags.a is 1, and has to be text"),
        (VPC, {"ipv4NetmaskLength": 20}, "ipv4NetmaskLength has no entry in the stand-in's table of aws:ec2/vpc:Vpc"),
        ("aws:ec2/subnet:Subnet", {"cidrBlock": "10.0.0.0/24"}, "vpcId is required and missing"),
        (
            CLUSTER,
            {"name": "a", "roleArn": "r", "vpcConfig": {"subnetIds": "s"}},
            "vpcConfig.subnetIds is 's', and has to",
        ),
        (
            CLUSTER,
            {"name": "a", "roleArn": "r", "vpcConfig": {"subnetIds": [], "vpc": 1}},
            "vpcConfig.vpc is no input of",
        ),
        (
            "aws:iam/role:Role",
            {"assumeRolePolicy": "{}"},
            "assumeRolePolicy is no policy document: it has no Statement",
        ),
        ("aws:iam/role:Role", {"assumeRolePolicy": "a"}, "assumeRolePolicy is not JSON"),
        (
            "aws:kms/key:Key",
            {"deletionWindowInDays": 3},
            "deletionWindowInDays is 3, and has to be between 7 and 30 days",
        ),
        (
            "aws:kms/alias:Alias",
            {"name": "alias/aws/x", "targetKeyId": "k"},
            "has to begin with alias/ (not alias/aws/)",
        ),
        (
            "aws:cloudwatch/logGroup:LogGroup",
            {"retentionInDays": 8},
            "retentionInDays is 8, and has to be one of 0, 1, 3",
        ),
    ],
)
def test_what_is_not_known_is_refused(east: Engine, token: str, inputs: dict[str, object], message: str) -> None:
    with pytest.raises(Refused) as refused:
        east.check(token, "it", inputs)
    assert message in str(refused.value)


def test_a_function_is_refused(east: Engine) -> None:
    with pytest.raises(Refused, match="aws:index/getRegion:getRegion: the stand-in carries no function of AWS"):
        east.call("Invoke", provider_pb2.InvokeRequest(tok="aws:index/getRegion:getRegion"))


def test_a_preview_makes_nothing_and_knows_what_was_said(world: World, account: Account) -> None:
    told = world.east.preview(VPC, "vpc", cidrBlock="10.0.0.0/16")
    assert told["cidrBlock"] == "10.0.0.0/16"
    assert told["defaultSecurityGroupId"] == values.UNKNOWN
    assert not [call for call in account.control.journal if call.changes]


def test_a_preview_takes_what_is_not_known_yet(east: Engine) -> None:
    network = {"subnetIds": values.UNKNOWN}
    told = east.preview(CLUSTER, "one", name="one", roleArn=values.UNKNOWN, vpcConfig=network)
    assert told["vpcConfig"] == {**network, "clusterSecurityGroupId": values.UNKNOWN, "vpcId": values.UNKNOWN}


def test_a_name_is_made_where_none_is_given_and_kept(east: Engine) -> None:
    first = east.check("aws:ec2/securityGroup:SecurityGroup", "api", {"vpcId": "vpc-1"})
    assert first["name"].startswith("api-")
    assert len(first["name"]) == len("api-") + 7
    assert east.check("aws:ec2/securityGroup:SecurityGroup", "api", {"vpcId": "vpc-1"}, first) == first


def test_tags_of_the_provider_are_below_those_of_a_resource(account: Account) -> None:
    engine = Engine("us-east-1", defaultTags='{"tags": {"owner": "team", "Name": "none"}}')
    try:
        assert engine.check(VPC, "vpc", {"cidrBlock": "10.0.0.0/16", "tags": {"Name": "vpc"}})["tags"] == {
            "owner": "team",
            "Name": "vpc",
        }
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "is missing: the provider works in one region, and names it"),
        ({"region": "moon"}, "`moon` is no region of AWS"),
        ({"region": "us-east-1", "assumeRoles": []}, "does not know the setting `assumeRoles` of its provider"),
        (
            {"region": "us-east-1", "allowedAccountIds": '["1"]'},
            "AWS account ID not allowed: 123456789012 (allowed: 1)",
        ),
    ],
)
def test_settings_that_a_provider_cannot_work_with(account: Account, given: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsFault) as refused:
        read_settings(given, look=True)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "address", ["", "https://eks.us-east-1.amazonaws.com", "http://10.0.0.1:5000", "http://host:1"]
)
def test_nothing_is_asked_beyond_this_machine(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(ENDPOINT, address)
    with pytest.raises(SettingsFault, match="this `pulumi-resource-aws` is the rehearsal's stand-in"):
        read_settings({"region": "us-east-1"}, look=True)


BASE = {"name": "one", "vpcConfig": {"subnetIds": ["a", "b"], "endpointPublicAccess": True}, "version": "1.34"}


@pytest.mark.parametrize(
    ("news", "changes"),
    [
        ({}, {}),
        ({"vpcConfig": {"subnetIds": ["b", "a"], "endpointPublicAccess": True}}, {}),
        ({"version": None}, {}),
        ({"version": "1.35"}, {"version": "UPDATE"}),
        (
            {"vpcConfig": {"subnetIds": ["b"]}},
            {"vpcConfig.subnetIds": "UPDATE", "vpcConfig.endpointPublicAccess": "DELETE"},
        ),
        ({"zonalShiftConfig": {"enabled": True}}, {"zonalShiftConfig": "ADD"}),
    ],
)
def test_differences(news: dict[str, object], changes: dict[str, str]) -> None:
    wanted = {name: value for name, value in {**BASE, **news}.items() if value is not None}
    assert between(tables()[CLUSTER], BASE, wanted) == changes


@pytest.mark.parametrize(
    ("change", "path", "first"),
    [
        ({"roleArn": "arn:aws:iam::123456789012:role/other"}, "roleArn", True),
        ({"name": "two"}, "name", False),
        (
            {"accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True}},
            "accessConfig.bootstrapClusterCreatorAdminPermissions",
            True,
        ),
    ],
)
def test_what_replaces_a_cluster_and_whether_its_name_is_in_the_way(
    world: World, change: dict[str, object], path: str, first: bool
) -> None:
    changes, deleted_first = world.east.diff(world.cluster, **world.cluster_inputs(**change))
    assert changes == {path: "UPDATE_REPLACE"}
    assert deleted_first is first


def test_encryption_is_never_taken_away_in_place(world: World) -> None:
    encryption = {"resources": ["secrets"], "provider": {"keyArn": world.key["arn"]}}
    made = world.east.make(CLUSTER, "one", **world.cluster_inputs(encryptionConfig=encryption))
    changes, _ = world.east.diff(made, **world.cluster_inputs())
    assert changes == {"encryptionConfig": "DELETE_REPLACE"}


def test_a_refresh_sees_what_somebody_has_changed(world: World) -> None:
    from lab.aws.plugin.clients import Aws

    assert world.gateway["vpcId"] == world.vpc.id
    Aws("us-east-1", "").ec2.detach_internet_gateway(InternetGatewayId=world.gateway.id, VpcId=world.vpc.id)
    assert "vpcId" not in world.east.read(world.gateway)
