"""Rules of IAM, KMS, CloudWatch Logs and Route 53."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.iam.exceptions import DeleteConflictException, LimitExceededException, NotFoundException
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse
from moto.kms.models import KmsBackend
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import Route53Backend

from lab.aws.cloud.around import around
from lab.aws.cloud.balancers import ZONES, known
from lab.aws.cloud.eks.state import CLUSTERS
from lab.aws.cloud.quotas import LIMITS


@around(IAMBackend, "create_role")
def create_role(original: Callable[..., Any], self: Any, role_name: str, *rest: Any, **named: Any) -> Any:
    if len(self.roles) >= LIMITS["iam/roles"]:
        raise LimitExceededException(f"Cannot exceed quota for RolesPerAccount: {LIMITS['iam/roles']}")
    boundary = named.get("permissions_boundary") or (rest[2] if len(rest) > 2 else None)
    if boundary and boundary not in self.managed_policies:
        raise NotFoundException(f"Scope ARN: {boundary} does not exist or is not attachable.")
    return original(role_name, *rest, **named)


@around(IAMBackend, "delete_role")
def delete_role(original: Callable[..., Any], self: Any, role_name: str) -> Any:
    role = self.get_role(role_name)
    users = sorted(
        cluster.name
        for cluster in CLUSTERS.values()
        if role.arn in (cluster.said["roleArn"], (cluster.said.get("computeConfig") or {}).get("nodeRoleArn"))
        or any(group["nodeRole"] == role.arn for group in cluster.nodes.values())
    )
    if users:
        raise DeleteConflictException(
            f"Cannot delete entity, it is the role of the EKS cluster {', '.join(users)} [rehearsal]"
        )
    return original(role_name)


@around(IAMBackend, "attach_role_policy")
def attach_role_policy(original: Callable[..., Any], self: Any, policy_arn: str, role_name: str) -> Any:
    role = self.get_role(role_name)
    if policy_arn not in role.managed_policies and len(role.managed_policies) >= LIMITS["iam/policies-per-role"]:
        raise LimitExceededException(f"Cannot exceed quota for PoliciesPerRole: {LIMITS['iam/policies-per-role']}")
    return original(policy_arn, role_name)


def _client_ids(self: Any, change: Callable[[list[str], str], None]) -> ActionResult:
    arn, client = self._get_param("OpenIDConnectProviderArn"), self._get_param("ClientID")
    found = self.backend.get_open_id_connect_provider(arn)
    kept = list(found.client_id_list)
    change(kept, client)
    found.client_id_list = kept
    return ActionResult({})


def add_client_id_to_open_id_connect_provider(self: Any) -> ActionResult:
    return _client_ids(self, lambda ids, client: None if client in ids else ids.append(client))


def remove_client_id_from_open_id_connect_provider(self: Any) -> ActionResult:
    return _client_ids(self, lambda ids, client: ids.remove(client) if client in ids else None)


for _operation in (add_client_id_to_open_id_connect_provider, remove_client_id_from_open_id_connect_provider):
    # Calls that moto does not have.
    if not hasattr(IamResponse, _operation.__name__):
        setattr(IamResponse, _operation.__name__, _operation)


@around(KmsBackend, "schedule_key_deletion")
def schedule_key_deletion(original: Callable[..., Any], self: Any, key_id: str, pending_window_in_days: int) -> Any:
    if not 7 <= pending_window_in_days <= 30:
        raise JsonRESTError(
            "ValidationException", f"{pending_window_in_days} days: the window is between 7 and 30 days"
        )
    key = self.keys[self.get_key_id(key_id)]
    users = sorted(
        cluster.name
        for cluster in CLUSTERS.values()
        if key.arn in [each["provider"]["keyArn"] for each in cluster.said["encryptionConfig"]]
    )
    if users:
        raise JsonRESTError(
            "KMSInvalidStateException",
            f"{key.arn} encrypts the secrets of the EKS cluster {', '.join(users)} [rehearsal]",
        )
    return original(key_id, pending_window_in_days)


@around(KmsBackend, "create_alias")
def create_alias(original: Callable[..., Any], self: Any, target_key_id: str, alias_name: str) -> Any:
    key = self.keys.get(self.get_key_id(target_key_id))
    if key is not None and key.key_state == "PendingDeletion":
        raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    return original(target_key_id, alias_name)


class _InvalidChange(Route53ClientError):
    def __init__(self, message: str) -> None:
        super().__init__("InvalidChangeBatch", message)


# An alias to a load balancer names the zone of its region (General Reference, elb.html, Network Load Balancers).
_BALANCER = re.compile(r"[\w-]+\.elb\.(?P<region>[a-z0-9-]+)\.amazonaws\.com\.?")


@around(Route53Backend, "change_resource_record_sets")
def change_records(original: Callable[..., Any], self: Any, zoneid: str, change_list: list[dict[str, Any]]) -> Any:
    zone = self.get_hosted_zone(zoneid)
    for change in change_list:
        wanted = change["ResourceRecordSet"]
        name = wanted["Name"].rstrip(".") + "."
        inside = zone.name.rstrip(".") + "."
        if not name.endswith(f".{inside}") and name != inside:
            raise _InvalidChange(f"RRSet with DNS name {name} is not permitted in zone {inside}")
        alike = [each for each in zone.rrsets if each.name.rstrip(".") + "." == name and each.type == wanted["Type"]]
        if change["Action"] == "CREATE":
            identifier = wanted.get("SetIdentifier")
            if any((each.set_identifier or None) == identifier for each in alike):
                raise _InvalidChange(
                    f"Tried to create resource record set [name='{name}', type='{wanted['Type']}'] but it already "
                    "exists"
                )
            if alike and any(bool(each.set_identifier) != bool(identifier) for each in alike):
                raise _InvalidChange(
                    f"RRSet of type {wanted['Type']} with DNS name {name} cannot be created because a non "
                    "multivalue answer "
                    "rrset exists with the same name and type"
                )
        check = wanted.get("HealthCheckId")
        if check and check not in self.health_checks:
            raise _InvalidChange(f"The health check {check} does not exist")
        if change["Action"] != "DELETE":
            _target(wanted)
    return original(zoneid, change_list)


def _target(wanted: dict[str, Any]) -> None:
    alias = wanted.get("AliasTarget")
    match = _BALANCER.fullmatch(alias["DNSName"]) if alias else None
    if alias and match:
        expected = ZONES.get(match["region"])
        if alias["HostedZoneId"] != expected:
            raise _InvalidChange(
                f"Tried to create an alias that targets {alias['DNSName']}, but the alias target hosted zone "
                f"{alias['HostedZoneId']} is not that of network load balancers in {match['region']}, {expected}"
            )
        if not known(alias["DNSName"]):
            raise _InvalidChange(
                f"Tried to create an alias that targets {alias['DNSName']}, but the alias target name does not lie "
                "within "
                "the target zone"
            )


@around(Route53Backend, "delete_health_check")
def delete_health_check(original: Callable[..., Any], self: Any, health_check_id: str) -> Any:
    for zone in self.zones.values():
        for each in zone.rrsets:
            if each.health_check_id == health_check_id:
                raise _HealthCheckInUse(
                    f"The health check {health_check_id} is in use by {each.name} {each.set_identifier or ''} "
                    "[rehearsal]"
                )
    return original(health_check_id)


class _HealthCheckInUse(Route53ClientError):
    def __init__(self, message: str) -> None:
        super().__init__("HealthCheckInUse", message)
