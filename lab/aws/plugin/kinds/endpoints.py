"""What hangs on a VPC: endpoints of services, flow logs; and launch templates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lab.aws.plugin.clients import Aws, code, given, unpaired
from lab.aws.plugin.kind import Gone, Values, arn, ec2_tags, kind, retag_ec2, tagged
from lab.aws.plugin.kinds.network import Ec2Kind


@kind("aws:ec2/vpcEndpoint:VpcEndpoint")
class VpcEndpoint(Ec2Kind):
    computed = (
        "arn",
        "state",
        "networkInterfaceIds",
        "ownerId",
        "prefixListId",
        "policy",
        "privateDnsEnabled",
        "routeTableIds",
        "securityGroupIds",
        "subnetIds",
        "tagsAll",
    )
    not_found = "InvalidVpcEndpointId.NotFound"

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        if "privateDnsEnabled" in inputs and inputs.get("vpcEndpointType") != "Interface":
            # There it forces a new resource, which the table cannot say of one type alone.
            yield "privateDnsEnabled", "is of endpoints of the type Interface alone"

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        return aws.ec2.describe_vpc_endpoints(**given(VpcEndpointIds=ids, Filters=filters))["VpcEndpoints"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["VpcEndpointId"]

    def one(self, aws: Aws, id: str) -> dict[str, Any]:
        found = super().one(aws, id)
        if found["State"] == "deleted":
            raise Gone
        return found

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.ec2.create_vpc_endpoint(
            VpcId=inputs["vpcId"],
            ServiceName=inputs["serviceName"],
            VpcEndpointType=inputs["vpcEndpointType"],
            **given(
                RouteTableIds=inputs.get("routeTableIds"),
                SubnetIds=inputs.get("subnetIds"),
                SecurityGroupIds=inputs.get("securityGroupIds"),
                PrivateDnsEnabled=inputs.get("privateDnsEnabled"),
                PolicyDocument=inputs.get("policy"),
            ),
            **ec2_tags("vpc-endpoint", inputs),
        )
        return answer["VpcEndpoint"]["VpcEndpointId"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        aws.wait(lambda: self.one(aws, id)["State"], until=("available",), through=("pending",), seconds=600)

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        return {
            "arn": arn(aws, "ec2", f"vpc-endpoint/{id}"),
            "vpcId": found["VpcId"],
            "serviceName": found["ServiceName"],
            "vpcEndpointType": found["VpcEndpointType"],
            "state": found["State"],
            "routeTableIds": found.get("RouteTableIds"),
            "subnetIds": found.get("SubnetIds"),
            "securityGroupIds": [each["GroupId"] for each in found.get("Groups", [])],
            "networkInterfaceIds": found.get("NetworkInterfaceIds"),
            "privateDnsEnabled": found.get("PrivateDnsEnabled", False),
            "policy": known.get("policy") or found.get("PolicyDocument"),
            "ownerId": aws.account,
            **tagged(unpaired(found.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        present = self.read(aws, id, {})
        change: dict[str, Any] = {}
        for name, argument in (
            ("routeTableIds", "RouteTableIds"),
            ("subnetIds", "SubnetIds"),
            ("securityGroupIds", "SecurityGroupIds"),
        ):
            if name in inputs:
                old, new = present[name] or [], inputs[name]
                change |= given(
                    **{
                        f"Add{argument}": [each for each in new if each not in old] or None,
                        f"Remove{argument}": [each for each in old if each not in new] or None,
                    }
                )
        if "policy" in inputs and inputs["policy"] != present["policy"]:
            change["PolicyDocument"] = inputs["policy"]
        if "privateDnsEnabled" in inputs and inputs["privateDnsEnabled"] != present["privateDnsEnabled"]:
            change["PrivateDnsEnabled"] = inputs["privateDnsEnabled"]
        if change:
            aws.ec2.modify_vpc_endpoint(VpcEndpointId=id, **change)
        retag_ec2(aws, id, inputs.get("tags", {}), present["tags"])

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        def state() -> str:
            try:
                return self.one(aws, id)["State"].lower()
            except Gone:
                return "deleted"

        if state() == "deleted":
            return
        aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[id])
        aws.wait(state, until=("deleted",), through=("available", "deleting"), seconds=600)


@kind("aws:ec2/flowLog:FlowLog")
class FlowLog(Ec2Kind):
    computed = ("arn", "logFormat", "tagsAll")
    not_found = "InvalidFlowLogId.NotFound"

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        if inputs.get("maxAggregationInterval", 600) not in (60, 600):
            yield "maxAggregationInterval", f"is {inputs['maxAggregationInterval']} s, and has to be 60 or 600"
        if inputs.get("trafficType", "ALL") not in ("ACCEPT", "REJECT", "ALL"):
            yield "trafficType", f"is {inputs['trafficType']}, and has to be ACCEPT, REJECT or ALL"

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        return aws.ec2.describe_flow_logs(**given(FlowLogIds=ids, Filters=filters))["FlowLogs"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["FlowLogId"]

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.again(
            lambda: aws.ec2.create_flow_logs(
                ResourceIds=[inputs["vpcId"]],
                ResourceType="VPC",
                TrafficType=inputs["trafficType"],
                LogDestinationType=inputs["logDestinationType"],
                MaxAggregationInterval=inputs["maxAggregationInterval"],
                **given(
                    LogDestination=inputs.get("logDestination"),
                    DeliverLogsPermissionArn=inputs.get("iamRoleArn"),
                    LogFormat=inputs.get("logFormat"),
                ),
                **ec2_tags("vpc-flow-log", inputs),
            ),
            "InvalidParameter",
            saying="Unable to assume given IAM role",
            seconds=120,
        )
        if failed := answer.get("Unsuccessful"):
            raise RuntimeError(failed[0]["Error"]["Message"])
        return answer["FlowLogIds"][0]

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        return {
            "arn": arn(aws, "ec2", f"vpc-flow-log/{id}"),
            "vpcId": found["ResourceId"],
            "trafficType": found["TrafficType"],
            "logDestinationType": found["LogDestinationType"],
            "logDestination": found.get("LogDestination"),
            "iamRoleArn": found.get("DeliverLogsPermissionArn"),
            "maxAggregationInterval": found["MaxAggregationInterval"],
            "logFormat": found.get("LogFormat"),
            **tagged(unpaired(found.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            aws.ec2.delete_flow_logs(FlowLogIds=[id])
        except Exception as error:
            if code(error) != self.not_found:
                raise


_TEMPLATE_PARTS = {"imageId": "ImageId", "instanceType": "InstanceType", "userData": "UserData"}


@kind("aws:ec2/launchTemplate:LaunchTemplate")
class LaunchTemplate(Ec2Kind):
    computed = ("arn", "defaultVersion", "latestVersion", "tagsAll")
    not_found = "InvalidLaunchTemplateId.NotFound"
    # What moto says instead.
    _also = "InvalidLaunchTemplateName.NotFoundException"

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        name = inputs.get("name")
        if name is not None and not re.fullmatch(r"[\w().\-/]{3,125}", name):
            yield "name", f"`{name}` has to have 3 to 125 letters, digits and ().-/_"
        options = inputs.get("metadataOptions") or {}
        hops = options.get("httpPutResponseHopLimit", 1)
        if not 1 <= hops <= 64:
            yield "metadataOptions.httpPutResponseHopLimit", f"is {hops}, and has to be between 1 and 64"

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        return aws.ec2.describe_launch_templates(**given(LaunchTemplateIds=ids, Filters=filters))["LaunchTemplates"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["LaunchTemplateId"]

    def one(self, aws: Aws, id: str) -> dict[str, Any]:
        try:
            return super().one(aws, id)
        except Exception as error:
            if code(error) == self._also:
                raise Gone from error
            raise

    def _data(self, inputs: Values) -> dict[str, Any]:
        data = {argument: inputs[name] for name, argument in _TEMPLATE_PARTS.items() if name in inputs}
        if groups := inputs.get("vpcSecurityGroupIds"):
            data["SecurityGroupIds"] = groups
        if options := inputs.get("metadataOptions"):
            # The names differ by the case of their first letter alone; a name that AWS does not know, boto3 refuses.
            data["MetadataOptions"] = {name[0].upper() + name[1:]: value for name, value in options.items()}
        if devices := inputs.get("blockDeviceMappings"):
            data["BlockDeviceMappings"] = [
                {
                    "DeviceName": each["deviceName"],
                    "Ebs": {
                        name[0].upper() + name[1:]: value in ("true", True) if name in _FLAGS else value
                        for name, value in each.get("ebs", {}).items()
                    },
                }
                for each in devices
            ]
        if specifications := inputs.get("tagSpecifications"):
            data["TagSpecifications"] = [
                {
                    "ResourceType": each["resourceType"],
                    "Tags": [{"Key": key, "Value": value} for key, value in each.get("tags", {}).items()],
                }
                for each in specifications
            ]
        return data

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.ec2.create_launch_template(
            LaunchTemplateName=inputs["name"],
            LaunchTemplateData=self._data(inputs),
            **given(VersionDescription=inputs.get("description")),
            **ec2_tags("launch-template", inputs),
        )
        return answer["LaunchTemplate"]["LaunchTemplateId"]

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        return {
            "arn": arn(aws, "ec2", f"launch-template/{id}"),
            "name": found["LaunchTemplateName"],
            "defaultVersion": found["DefaultVersionNumber"],
            "latestVersion": found["LatestVersionNumber"],
            **tagged(unpaired(found.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        parts = ("metadataOptions", "blockDeviceMappings", "tagSpecifications", "vpcSecurityGroupIds", *_TEMPLATE_PARTS)
        if any(inputs.get(name) != olds.get(name) for name in parts):
            answer = aws.ec2.create_launch_template_version(
                LaunchTemplateId=id,
                LaunchTemplateData=self._data(inputs),
                **given(VersionDescription=inputs.get("description")),
            )
            if inputs.get("updateDefaultVersion"):
                number = str(answer["LaunchTemplateVersion"]["VersionNumber"])
                aws.ec2.modify_launch_template(LaunchTemplateId=id, DefaultVersion=number)
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            self.one(aws, id)
        except Gone:
            return
        aws.ec2.delete_launch_template(LaunchTemplateId=id)


_FLAGS = ("encrypted", "deleteOnTermination")
"""Texts in the provider's schema, and true or false for AWS."""
