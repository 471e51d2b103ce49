"""Records and health checks of Route 53."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from lab.aws.plugin.clients import Aws, code, given, pairs, unpaired
from lab.aws.plugin.kind import Gone, Kind, Values, kind, tagged

_POLICIES = ("latencyRoutingPolicies", "failoverRoutingPolicies", "weightedRoutingPolicies")


def _same_name(one: str, other: str) -> bool:
    return one.rstrip(".").lower() == other.rstrip(".").lower()


@kind("aws:route53/record:Record")
class Record(Kind):
    computed = ("fqdn",)

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        if ("aliases" in inputs) == ("records" in inputs) and not {"aliases", "records"} - inputs.keys():
            yield "aliases", "and records exclude each other"
        if "records" in inputs and "ttl" not in inputs:
            yield "ttl", "is needed beside records"
        if "aliases" in inputs and "ttl" in inputs:
            yield "ttl", "cannot stand beside aliases: an alias has that of what it leads to"
        policies = [name for name in _POLICIES if name in inputs]
        if len(policies) > 1:
            yield policies[1], f"cannot stand beside {policies[0]}"
        if policies and "setIdentifier" not in inputs:
            yield "setIdentifier", f"is needed beside {policies[0]}"

    def _set(self, aws: Aws, inputs: Values) -> dict[str, Any]:
        wanted: dict[str, Any] = {"Name": self._fqdn(aws, inputs), "Type": inputs["type"]}
        wanted |= given(SetIdentifier=inputs.get("setIdentifier"), HealthCheckId=inputs.get("healthCheckId"))
        if alias := inputs.get("aliases"):
            wanted["AliasTarget"] = {
                "HostedZoneId": alias[0]["zoneId"],
                "DNSName": alias[0]["name"],
                "EvaluateTargetHealth": alias[0]["evaluateTargetHealth"],
            }
        else:
            wanted["TTL"] = inputs["ttl"]
            wanted["ResourceRecords"] = [{"Value": each} for each in inputs["records"]]
        if policy := inputs.get("latencyRoutingPolicies"):
            wanted["Region"] = policy[0]["region"]
        if policy := inputs.get("failoverRoutingPolicies"):
            wanted["Failover"] = policy[0]["type"]
        if policy := inputs.get("weightedRoutingPolicies"):
            wanted["Weight"] = policy[0]["weight"]
        return wanted

    def _fqdn(self, aws: Aws, inputs: Values) -> str:
        # A name outside of its zone is one inside of it (record.go, expandRecordName).
        zone = aws.client("route53").get_hosted_zone(Id=inputs["zoneId"])["HostedZone"]["Name"].rstrip(".")
        name = inputs["name"].rstrip(".").lower()
        return name if name == zone or name.endswith(f".{zone}") else f"{name}.{zone}" if name else zone

    def _change(self, aws: Aws, zone: str, *changes: dict[str, Any]) -> None:
        answer = aws.client("route53").change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": list(changes)}
        )
        id = answer["ChangeInfo"]["Id"]

        def state() -> str:
            return aws.client("route53").get_change(Id=id)["ChangeInfo"]["Status"]

        aws.wait(state, until=("INSYNC",), through=("PENDING",), seconds=1800)

    def _id(self, inputs: Values) -> str:
        parts = [inputs["zoneId"], inputs["name"].rstrip(".").lower(), inputs["type"], inputs.get("setIdentifier", "")]
        return "_".join(part for part in parts if part)

    def _find(self, aws: Aws, zone: str, name: str, type: str, identifier: str | None) -> dict[str, Any]:
        try:
            pages = aws.client("route53").get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
            for page in pages:
                for each in page["ResourceRecordSets"]:
                    same = _same_name(each["Name"], name) and each["Type"] == type
                    if same and each.get("SetIdentifier") == identifier:
                        return each
        except Exception as error:
            if code(error) == "NoSuchHostedZone":
                raise Gone from error
            raise
        raise Gone

    def create(self, aws: Aws, inputs: Values) -> str:
        action = "UPSERT" if inputs.get("allowOverwrite") else "CREATE"
        self._change(aws, inputs["zoneId"], {"Action": action, "ResourceRecordSet": self._set(aws, inputs)})
        return self._id(inputs)

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        if known:
            zone, type, identifier = known["zoneId"], known["type"], known.get("setIdentifier")
            name = known["name"]
        else:
            zone, name, type, *rest = id.split("_", 3)
            identifier = rest[0] if rest else None
        fqdn = self._fqdn(aws, {"zoneId": zone, "name": name})
        found = self._find(aws, zone, fqdn, type, identifier)
        alias = found.get("AliasTarget")
        return {
            "zoneId": zone,
            "name": name,
            "fqdn": fqdn,
            "type": type,
            "setIdentifier": identifier,
            "healthCheckId": found.get("HealthCheckId"),
            "ttl": found.get("TTL"),
            "records": [each["Value"] for each in found.get("ResourceRecords", [])] or None,
            "aliases": [
                {
                    "name": alias["DNSName"].rstrip("."),
                    "zoneId": alias["HostedZoneId"],
                    "evaluateTargetHealth": alias["EvaluateTargetHealth"],
                }
            ]
            if alias
            else None,
            "latencyRoutingPolicies": [{"region": found["Region"]}] if "Region" in found else None,
            "failoverRoutingPolicies": [{"type": found["Failover"]}] if "Failover" in found else None,
            "weightedRoutingPolicies": [{"weight": found["Weight"]}] if "Weight" in found else None,
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        changes = [{"Action": "UPSERT", "ResourceRecordSet": self._set(aws, inputs)}]
        moved = any(inputs.get(name) != olds.get(name) for name in ("type", "setIdentifier", *_POLICIES))
        if moved:
            # Another type or way of choosing is another set: the old one goes in the same change.
            old = self._find(aws, olds["zoneId"], self._fqdn(aws, olds), olds["type"], olds.get("setIdentifier"))
            changes = [{"Action": "DELETE", "ResourceRecordSet": old}, changes[0] | {"Action": "CREATE"}]
        self._change(aws, inputs["zoneId"], *changes)

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        zone = known["zoneId"]
        try:
            found = self._find(aws, zone, self._fqdn(aws, known), known["type"], known.get("setIdentifier"))
        except Gone:
            return
        self._change(aws, zone, {"Action": "DELETE", "ResourceRecordSet": found})

    def find(self, aws: Aws, inputs: Values) -> str | None:
        try:
            self.read(aws, self._id(inputs), inputs)
        except Gone:
            return None
        return self._id(inputs)


_CHECK = {
    "type": "Type",
    "fqdn": "FullyQualifiedDomainName",
    "port": "Port",
    "resourcePath": "ResourcePath",
    "requestInterval": "RequestInterval",
    "failureThreshold": "FailureThreshold",
    "searchString": "SearchString",
    "disabled": "Disabled",
    "invertHealthcheck": "Inverted",
    "measureLatency": "MeasureLatency",
    "regions": "Regions",
}
_UNCHANGING = ("type", "requestInterval", "measureLatency")


@kind("aws:route53/healthCheck:HealthCheck")
class HealthCheck(Kind):
    computed = ("arn", "tagsAll")

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        if inputs.get("requestInterval", 30) not in (10, 30):
            yield "requestInterval", f"is {inputs['requestInterval']} s, and has to be 10 or 30"
        if not 1 <= inputs.get("failureThreshold", 3) <= 10:
            yield "failureThreshold", f"is {inputs['failureThreshold']}, and has to be between 1 and 10"
        if "regions" in inputs and len(inputs["regions"]) < 3:
            yield "regions", "needs three at least, or none for all"

    def create(self, aws: Aws, inputs: Values) -> str:
        config = {argument: inputs[name] for name, argument in _CHECK.items() if name in inputs}
        answer = aws.client("route53").create_health_check(
            CallerReference=f"{inputs.get('referenceName', 'pulumi')}-{uuid.uuid4()}", HealthCheckConfig=config
        )
        return answer["HealthCheck"]["Id"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        if tags := inputs.get("tags"):
            aws.client("route53").change_tags_for_resource(
                ResourceType="healthcheck", ResourceId=id, AddTags=pairs(tags)
            )

    def _one(self, aws: Aws, id: str) -> dict[str, Any]:
        try:
            return aws.client("route53").get_health_check(HealthCheckId=id)["HealthCheck"]
        except Exception as error:
            if code(error) == "NoSuchHealthCheck":
                raise Gone from error
            raise

    def _tags(self, aws: Aws, id: str) -> dict[str, str]:
        answer = aws.client("route53").list_tags_for_resource(ResourceType="healthcheck", ResourceId=id)
        return unpaired(answer["ResourceTagSet"]["Tags"])

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        config = self._one(aws, id)["HealthCheckConfig"]
        told = {name: config.get(argument) for name, argument in _CHECK.items() if not known or name in known}
        return {**told, "arn": f"arn:aws:route53:::healthcheck/{id}", **tagged(self._tags(aws, id))}

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        config = {
            argument: inputs[name] for name, argument in _CHECK.items() if name in inputs and name not in _UNCHANGING
        }
        aws.client("route53").update_health_check(HealthCheckId=id, **config)
        surplus = [name for name in self._tags(aws, id) if name not in inputs.get("tags", {})]
        if surplus:
            aws.client("route53").change_tags_for_resource(
                ResourceType="healthcheck", ResourceId=id, RemoveTagKeys=surplus
            )
        self.settle(aws, id, inputs)

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            aws.client("route53").delete_health_check(HealthCheckId=id)
        except Exception as error:
            if code(error) != "NoSuchHealthCheck":
                raise

    def find(self, aws: Aws, inputs: Values) -> str | None:
        tags = inputs.get("tags")
        for each in aws.client("route53").list_health_checks()["HealthChecks"] if tags else []:
            found = self._tags(aws, each["Id"])
            # Tags come in a call of their own: one that was cut off in between has none, and is known by what it asks.
            if found == tags or (
                not found and each["HealthCheckConfig"].get("FullyQualifiedDomainName") == inputs.get("fqdn")
            ):
                return each["Id"]
        return None
