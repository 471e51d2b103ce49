"""What belongs to an EKS cluster: add-ons, access entries, Pod Identity associations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lab.aws.plugin.clients import Aws, code, given
from lab.aws.plugin.kind import Gone, Kind, Values, kind, tagged
from lab.aws.plugin.kinds.eks import NOT_FOUND, one, retag, until_gone, updated

_PATIENCE = 1200.0


@kind("aws:eks/addon:Addon")
class Addon(Kind):
    computed = ("arn", "addonVersion", "createdAt", "modifiedAt", "configurationValues", "tagsAll")

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        values = inputs.get("configurationValues")
        if values is not None:
            try:
                json.loads(values)
            except ValueError as error:
                yield "configurationValues", f"is not JSON: {error}"
        for name in ("resolveConflictsOnCreate", "resolveConflictsOnUpdate"):
            allowed = ("NONE", "OVERWRITE") if name.endswith("Create") else ("NONE", "OVERWRITE", "PRESERVE")
            if name in inputs and inputs[name] not in allowed:
                yield name, f"is {inputs[name]}, and has to be one of {', '.join(allowed)}"

    def create(self, aws: Aws, inputs: Values) -> str:
        aws.again(
            lambda: aws.eks.create_addon(
                clusterName=inputs["clusterName"],
                addonName=inputs["addonName"],
                tags=inputs.get("tags", {}),
                **given(
                    addonVersion=inputs.get("addonVersion"),
                    configurationValues=inputs.get("configurationValues"),
                    resolveConflicts=inputs.get("resolveConflictsOnCreate"),
                    serviceAccountRoleArn=inputs.get("serviceAccountRoleArn"),
                    podIdentityAssociations=inputs.get("podIdentityAssociations"),
                ),
            ),
            "InvalidParameterException",
            saying="does not exist",
            seconds=120,
        )
        return f"{inputs['clusterName']}:{inputs['addonName']}"

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        # One whose pods find no node stays degraded, and the real provider waits for it in vain (addon.go).
        through = ("CREATING", "DEGRADED", "UPDATING")
        aws.wait(lambda: self._one(aws, id)["status"], until=("ACTIVE",), through=through, seconds=_PATIENCE)

    def _one(self, aws: Aws, id: str) -> dict[str, Any]:
        cluster, _, name = id.partition(":")
        return one(lambda: aws.eks.describe_addon(clusterName=cluster, addonName=name), "addon")

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self._one(aws, id)
        pods: list[dict[str, str]] = []
        for each in found.get("podIdentityAssociations", []):
            association = aws.eks.describe_pod_identity_association(
                clusterName=found["clusterName"], associationId=each.rpartition("/")[2]
            )["association"]
            pods.append({"roleArn": association["roleArn"], "serviceAccount": association["serviceAccount"]})
        return {
            "arn": found["addonArn"],
            "clusterName": found["clusterName"],
            "addonName": found["addonName"],
            "addonVersion": found["addonVersion"],
            "configurationValues": found.get("configurationValues"),
            "serviceAccountRoleArn": found.get("serviceAccountRoleArn"),
            "podIdentityAssociations": pods or None,
            "createdAt": found["createdAt"].isoformat(),
            "modifiedAt": found["modifiedAt"].isoformat(),
            **tagged(found.get("tags", {})),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.settle(aws, id, inputs)
        found, present = self._one(aws, id), self.read(aws, id, {})
        names = ("addonVersion", "configurationValues", "serviceAccountRoleArn", "podIdentityAssociations")
        changed = {name: inputs[name] for name in names if name in inputs and inputs[name] != present.get(name)}
        if "podIdentityAssociations" not in inputs and present["podIdentityAssociations"]:
            changed["podIdentityAssociations"] = []
        if changed:
            answer = aws.eks.update_addon(
                clusterName=found["clusterName"],
                addonName=found["addonName"],
                **changed,
                **given(resolveConflicts=inputs.get("resolveConflictsOnUpdate")),
            )
            updated(aws, found["clusterName"], answer, addonName=found["addonName"])
            self.settle(aws, id, inputs)
        retag(aws, found["addonArn"], inputs.get("tags", {}), found.get("tags", {}))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        cluster, _, name = id.partition(":")
        try:
            aws.eks.delete_addon(clusterName=cluster, addonName=name, preserve=known.get("preserve", False))
        except Exception as error:
            if code(error) == NOT_FOUND:
                return
            raise
        until_gone(aws, lambda: self._one(aws, id)["status"], ("DELETING", "ACTIVE", "DEGRADED"))

    def find(self, aws: Aws, inputs: Values) -> str | None:
        id = f"{inputs['clusterName']}:{inputs['addonName']}"
        try:
            self._one(aws, id)
        except Gone:
            return None
        return id


@kind("aws:eks/accessEntry:AccessEntry")
class AccessEntry(Kind):
    computed = ("accessEntryArn", "createdAt", "kubernetesGroups", "modifiedAt", "userName", "tagsAll")

    def create(self, aws: Aws, inputs: Values) -> str:
        aws.again(
            lambda: aws.eks.create_access_entry(
                clusterName=inputs["clusterName"],
                principalArn=inputs["principalArn"],
                type=inputs["type"],
                tags=inputs.get("tags", {}),
                **given(kubernetesGroups=inputs.get("kubernetesGroups"), username=inputs.get("userName")),
            ),
            "InvalidParameterException",
            saying="invalid principal",
            seconds=120,
        )
        return f"{inputs['clusterName']}:{inputs['principalArn']}"

    def _one(self, aws: Aws, id: str) -> dict[str, Any]:
        cluster, _, principal = id.partition(":")
        return one(lambda: aws.eks.describe_access_entry(clusterName=cluster, principalArn=principal), "accessEntry")

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self._one(aws, id)
        return {
            "accessEntryArn": found["accessEntryArn"],
            "clusterName": found["clusterName"],
            "principalArn": found["principalArn"],
            "kubernetesGroups": found["kubernetesGroups"] or None,
            "type": found["type"],
            "userName": found["username"],
            "createdAt": found["createdAt"].isoformat(),
            "modifiedAt": found["modifiedAt"].isoformat(),
            **tagged(found.get("tags", {})),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        cluster, _, principal = id.partition(":")
        found = self._one(aws, id)
        aws.eks.update_access_entry(
            clusterName=cluster,
            principalArn=principal,
            kubernetesGroups=inputs.get("kubernetesGroups", []),
            **given(username=inputs.get("userName")),
        )
        retag(aws, found["accessEntryArn"], inputs.get("tags", {}), found.get("tags", {}))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        cluster, _, principal = id.partition(":")
        try:
            aws.eks.delete_access_entry(clusterName=cluster, principalArn=principal)
        except Exception as error:
            if code(error) != NOT_FOUND:
                raise

    def find(self, aws: Aws, inputs: Values) -> str | None:
        id = f"{inputs['clusterName']}:{inputs['principalArn']}"
        try:
            self._one(aws, id)
        except Gone:
            return None
        return id


@kind("aws:eks/accessPolicyAssociation:AccessPolicyAssociation")
class AccessPolicyAssociation(Kind):
    computed = ("associatedAt", "modifiedAt")

    def create(self, aws: Aws, inputs: Values) -> str:
        aws.again(
            lambda: aws.eks.associate_access_policy(
                clusterName=inputs["clusterName"],
                principalArn=inputs["principalArn"],
                policyArn=inputs["policyArn"],
                accessScope=inputs["accessScope"],
            ),
            NOT_FOUND,
            seconds=120,
        )
        return f"{inputs['clusterName']}#{inputs['principalArn']}#{inputs['policyArn']}"

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        cluster, principal, policy = id.split("#")

        def ask() -> dict[str, Any]:
            return aws.eks.list_associated_access_policies(clusterName=cluster, principalArn=principal)

        associated: Any = one(ask, "associatedAccessPolicies")
        for each in associated:
            if each["policyArn"] == policy:
                scope = {name: value for name, value in each["accessScope"].items() if value}
                return {
                    "clusterName": cluster,
                    "principalArn": principal,
                    "policyArn": policy,
                    "accessScope": scope,
                    "associatedAt": each["associatedAt"].isoformat(),
                    "modifiedAt": each["modifiedAt"].isoformat(),
                }
        raise Gone

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        cluster, principal, policy = id.split("#")
        try:
            aws.eks.disassociate_access_policy(clusterName=cluster, principalArn=principal, policyArn=policy)
        except Exception as error:
            if code(error) != NOT_FOUND:
                raise

    def find(self, aws: Aws, inputs: Values) -> str | None:
        id = f"{inputs['clusterName']}#{inputs['principalArn']}#{inputs['policyArn']}"
        try:
            self.read(aws, id, {})
        except Gone:
            return None
        return id


@kind("aws:eks/podIdentityAssociation:PodIdentityAssociation")
class PodIdentityAssociation(Kind):
    computed = ("associationArn", "associationId", "tagsAll")

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.again(
            lambda: aws.eks.create_pod_identity_association(
                clusterName=inputs["clusterName"],
                namespace=inputs["namespace"],
                serviceAccount=inputs["serviceAccount"],
                roleArn=inputs["roleArn"],
                tags=inputs.get("tags", {}),
            ),
            "InvalidParameterException",
            saying="does not exist",
            seconds=120,
        )
        return answer["association"]["associationId"]

    def _one(self, aws: Aws, cluster: str, id: str) -> dict[str, Any]:
        return one(
            lambda: aws.eks.describe_pod_identity_association(clusterName=cluster, associationId=id), "association"
        )

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        # The form for imports is CLUSTER,ASSOCIATION.
        cluster, _, wanted = id.rpartition(",")
        found = self._one(aws, cluster or known["clusterName"], wanted)
        return {
            "id": found["associationId"],
            "associationArn": found["associationArn"],
            "associationId": found["associationId"],
            "clusterName": found["clusterName"],
            "namespace": found["namespace"],
            "serviceAccount": found["serviceAccount"],
            "roleArn": found["roleArn"],
            **tagged(found.get("tags", {})),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        found = self._one(aws, inputs["clusterName"], id)
        if found["roleArn"] != inputs["roleArn"]:
            aws.eks.update_pod_identity_association(
                clusterName=inputs["clusterName"], associationId=id, roleArn=inputs["roleArn"]
            )
        retag(aws, found["associationArn"], inputs.get("tags", {}), found.get("tags", {}))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            aws.eks.delete_pod_identity_association(clusterName=known["clusterName"], associationId=id)
        except Exception as error:
            if code(error) != NOT_FOUND:
                raise

    def find(self, aws: Aws, inputs: Values) -> str | None:
        try:
            found = aws.eks.list_pod_identity_associations(
                clusterName=inputs["clusterName"],
                namespace=inputs["namespace"],
                serviceAccount=inputs["serviceAccount"],
            )["associations"]
        except Exception as error:
            if code(error) == NOT_FOUND:
                return None
            raise
        return f"{inputs['clusterName']},{found[0]['associationId']}" if found else None
