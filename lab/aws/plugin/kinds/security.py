"""Security groups and their rules."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from lab.aws.plugin.clients import Aws, code, given, unpaired
from lab.aws.plugin.kind import Gone, Kind, Values, arn, ec2_tags, kind, retag_ec2, tagged
from lab.aws.plugin.kinds.network import Ec2Kind, the_only

_GROUP, _RULE = "InvalidGroup.NotFound", "InvalidSecurityGroupRuleId.NotFound"
_PERMISSION = "InvalidPermission.NotFound"


class _Groups(Ec2Kind):
    not_found = _GROUP

    def describe(
        self, aws: Aws, ids: list[str] | None = None, filters: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        return aws.ec2.describe_security_groups(**given(GroupIds=ids, Filters=filters))["SecurityGroups"]

    def identity(self, found: dict[str, Any]) -> str:
        return found["GroupId"]

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self.one(aws, id)
        return {
            "arn": arn(aws, "ec2", f"security-group/{id}"),
            "name": found["GroupName"],
            "description": found["Description"],
            "vpcId": found["VpcId"],
            "ownerId": aws.account,
            **tagged(unpaired(found.get("Tags"))),
        }

    def rules_to(self, aws: Aws, id: str, inputs: Values) -> None:
        """Bring the rules that stand in the group itself to what is wanted. Rules that are resources of their own are
        left alone where it names none."""
        found = self.one(aws, id)
        for name, present in (("ingress", found["IpPermissions"]), ("egress", found["IpPermissionsEgress"])):
            if name not in inputs:
                continue
            revoke, authorize = (getattr(aws.ec2, f"{verb}_security_group_{name}") for verb in ("revoke", "authorize"))
            if present:
                revoke(GroupId=id, IpPermissions=present)
            if wanted := [_permission(each) for each in inputs[name]]:
                authorize(GroupId=id, IpPermissions=wanted)

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.settle(aws, id, inputs)
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))


@kind("aws:ec2/securityGroup:SecurityGroup")
class SecurityGroup(_Groups):
    computed = ("arn", "ownerId", "ingress", "egress", "tagsAll")

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        name = inputs.get("name", "a")
        if not 1 <= len(name) <= 255 or name.startswith("sg-"):
            yield "name", f"`{name}` has to have 1 to 255 characters, and must not begin with sg-"
        description = inputs.get("description", "a")
        if not 1 <= len(description) <= 255:
            yield "description", "has to have 1 to 255 characters"

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.ec2.create_security_group(
            GroupName=inputs["name"],
            Description=inputs["description"],
            **given(VpcId=inputs.get("vpcId")),
            **ec2_tags("security-group", inputs),
        )
        return answer["GroupId"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        # AWS lets everything out of a new group, and the real provider takes that away (vpc_security_group.go).
        present = self.one(aws, id)["IpPermissionsEgress"]
        if present and "egress" not in inputs and any(each["IpProtocol"] == "-1" for each in present):
            aws.ec2.revoke_security_group_egress(GroupId=id, IpPermissions=present)
        self.rules_to(aws, id, inputs)

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.rules_to(aws, id, inputs)
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            aws.again(
                lambda: aws.ec2.delete_security_group(GroupId=id),
                "DependencyViolation",
                "InvalidGroup.InUse",
                seconds=900,
            )
        except Exception as error:
            if code(error) != _GROUP:
                raise


@kind("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
class DefaultSecurityGroup(_Groups):
    """A VPC's own group is adopted, emptied and, in the end, left behind with its VPC."""

    computed = ("arn", "name", "description", "ownerId", "tagsAll")

    def create(self, aws: Aws, inputs: Values) -> str:
        filters = [{"Name": "group-name", "Values": ["default"]}, {"Name": "vpc-id", "Values": [inputs["vpcId"]]}]
        return the_only(self.describe(aws, filters=filters))["GroupId"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        self.rules_to(aws, id, {"ingress": [], "egress": []} | dict(inputs))
        retag_ec2(aws, id, inputs.get("tags", {}), unpaired(self.one(aws, id).get("Tags")))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        return

    def find(self, aws: Aws, inputs: Values) -> str | None:
        return self.create(aws, inputs)


def _permission(rule: Values) -> dict[str, Any]:
    """A rule of a group's own list."""
    wanted: dict[str, Any] = {"IpProtocol": rule["protocol"]}
    if rule["protocol"] != "-1":
        wanted |= {"FromPort": rule["fromPort"], "ToPort": rule["toPort"]}
    text = given(Description=rule.get("description"))
    wanted["IpRanges"] = [{"CidrIp": each, **text} for each in rule.get("cidrBlocks", [])]
    wanted["UserIdGroupPairs"] = [{"GroupId": each, **text} for each in rule.get("securityGroups", [])]
    return wanted


class _Rule(Kind):
    computed = ("arn", "securityGroupRuleId", "tagsAll")
    way = ""

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        sources = [name for name in ("cidrIpv4", "referencedSecurityGroupId") if name in inputs]
        if len(sources) > 1:
            yield "cidrIpv4", "and referencedSecurityGroupId exclude each other"
        if cidr := inputs.get("cidrIpv4"):
            try:
                ip_network(cidr)
            except ValueError as error:
                yield "cidrIpv4", f"`{cidr}` is not a network: {error}"
        if inputs.get("ipProtocol") == "-1" and ("fromPort" in inputs or "toPort" in inputs):
            yield "fromPort", "and toPort have to be left out where ipProtocol is -1"
        if len(inputs.get("description", "")) > 255:
            yield "description", "has to have at most 255 characters"

    def _rule(self, inputs: Values) -> dict[str, Any]:
        return given(
            IpProtocol=inputs["ipProtocol"],
            FromPort=inputs.get("fromPort"),
            ToPort=inputs.get("toPort"),
        )

    def create(self, aws: Aws, inputs: Values) -> str:
        text = given(Description=inputs.get("description"))
        rule = self._rule(inputs)
        if cidr := inputs.get("cidrIpv4"):
            rule["IpRanges"] = [{"CidrIp": cidr, **text}]
        else:
            rule["UserIdGroupPairs"] = [{"GroupId": inputs["referencedSecurityGroupId"], **text}]
        authorize = getattr(aws.ec2, f"authorize_security_group_{self.way}")
        answer = authorize(
            GroupId=inputs["securityGroupId"], IpPermissions=[rule], **ec2_tags("security-group-rule", inputs)
        )
        return answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]

    def _describe(self, aws: Aws, **how: Any) -> list[dict[str, Any]]:
        found = aws.ec2.describe_security_group_rules(**how)["SecurityGroupRules"]
        return [each for each in found if each["IsEgress"] == (self.way == "egress")]

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        try:
            found = the_only(self._describe(aws, SecurityGroupRuleIds=[id]))
        except Exception as error:
            if code(error) == _RULE:
                raise Gone from error
            raise
        everything = found["IpProtocol"] == "-1"
        return {
            "arn": arn(aws, "ec2", f"security-group-rule/{id}"),
            "securityGroupRuleId": id,
            "securityGroupId": found["GroupId"],
            "ipProtocol": found["IpProtocol"],
            "fromPort": None if everything else found.get("FromPort"),
            "toPort": None if everything else found.get("ToPort"),
            "cidrIpv4": found.get("CidrIpv4"),
            "referencedSecurityGroupId": found.get("ReferencedGroupInfo", {}).get("GroupId"),
            "description": found.get("Description") or None,
            **tagged(unpaired(found.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        rule = self._rule(inputs) | given(
            CidrIpv4=inputs.get("cidrIpv4"),
            ReferencedGroupId=inputs.get("referencedSecurityGroupId"),
            Description=inputs.get("description"),
        )
        if inputs["ipProtocol"] == "-1":
            rule |= {"FromPort": -1, "ToPort": -1}
        change = [{"SecurityGroupRuleId": id, "SecurityGroupRule": rule}]
        aws.ec2.modify_security_group_rules(GroupId=inputs["securityGroupId"], SecurityGroupRules=change)
        retag_ec2(aws, id, inputs.get("tags", {}), self.read(aws, id, {})["tags"])

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            revoke = getattr(aws.ec2, f"revoke_security_group_{self.way}")
            revoke(GroupId=known["securityGroupId"], SecurityGroupRuleIds=[id])
        except Exception as error:
            if code(error) not in (_GROUP, _RULE, _PERMISSION):
                raise

    def find(self, aws: Aws, inputs: Values) -> str | None:
        filters = [{"Name": "group-id", "Values": [inputs["securityGroupId"]]}]
        for each in self._describe(aws, Filters=filters):
            found = self.read(aws, each["SecurityGroupRuleId"], {})
            names = ("ipProtocol", "fromPort", "toPort", "cidrIpv4", "referencedSecurityGroupId")
            if all(found.get(name) == inputs.get(name) for name in names):
                return found["securityGroupRuleId"]
        return None


@kind("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
class SecurityGroupIngressRule(_Rule):
    way = "ingress"


@kind("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
class SecurityGroupEgressRule(_Rule):
    way = "egress"
