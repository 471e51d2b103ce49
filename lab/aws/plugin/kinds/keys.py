"""Keys of KMS and their aliases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lab.aws.plugin.clients import Aws, code, given, pairs, unpaired
from lab.aws.plugin.kind import Gone, Kind, Values, kind, tagged
from lab.aws.plugin.kinds.iam import document_faults

_NOT_FOUND = "NotFoundException"


@kind("aws:kms/key:Key")
class Key(Kind):
    computed = ("arn", "keyId", "multiRegion", "policy", "tagsAll")

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        window = inputs.get("deletionWindowInDays", 30)
        if not 7 <= window <= 30:
            yield "deletionWindowInDays", f"is {window}, and has to be between 7 and 30 days"
        period = inputs.get("rotationPeriodInDays", 365)
        if not 90 <= period <= 2560:
            yield "rotationPeriodInDays", f"is {period}, and has to be between 90 and 2560 days"
        elif "rotationPeriodInDays" in inputs and not inputs.get("enableKeyRotation"):
            yield "rotationPeriodInDays", "needs enableKeyRotation"
        yield from document_faults("policy", inputs.get("policy"), 32768)

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.kms.create_key(
            KeySpec=inputs["customerMasterKeySpec"],
            KeyUsage=inputs["keyUsage"],
            MultiRegion=inputs.get("multiRegion", False),
            BypassPolicyLockoutSafetyCheck=inputs["bypassPolicyLockoutSafetyCheck"],
            Tags=pairs(inputs.get("tags"), "TagKey", "TagValue"),
            **given(Description=inputs.get("description"), Policy=inputs.get("policy")),
        )
        return answer["KeyMetadata"]["KeyId"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        if inputs["enableKeyRotation"]:
            aws.kms.enable_key_rotation(KeyId=id, **given(RotationPeriodInDays=inputs.get("rotationPeriodInDays")))
        elif aws.kms.get_key_rotation_status(KeyId=id)["KeyRotationEnabled"]:
            aws.kms.disable_key_rotation(KeyId=id)
        enabled = self._one(aws, id)["Enabled"]
        if inputs["isEnabled"] and not enabled:
            aws.kms.enable_key(KeyId=id)
        elif enabled and not inputs["isEnabled"]:
            aws.kms.disable_key(KeyId=id)

    def _one(self, aws: Aws, id: str) -> dict[str, Any]:
        try:
            found = aws.kms.describe_key(KeyId=id)["KeyMetadata"]
        except Exception as error:
            if code(error) == _NOT_FOUND:
                raise Gone from error
            raise
        if found["KeyState"] == "PendingDeletion":
            raise Gone
        return found

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self._one(aws, id)
        rotation = aws.kms.get_key_rotation_status(KeyId=id)
        return {
            "arn": found["Arn"],
            "keyId": id,
            "customerMasterKeySpec": found["KeySpec"],
            "description": found.get("Description"),
            "enableKeyRotation": rotation["KeyRotationEnabled"],
            "isEnabled": found["Enabled"],
            "keyUsage": found["KeyUsage"],
            "multiRegion": found["MultiRegion"],
            "policy": known.get("policy") or aws.kms.get_key_policy(KeyId=id, PolicyName="default")["Policy"],
            # moto keeps no period.
            "rotationPeriodInDays": rotation.get("RotationPeriodInDays") or known.get("rotationPeriodInDays"),
            **tagged(unpaired(self._tags(aws, id), "TagKey", "TagValue")),
        }

    def _tags(self, aws: Aws, id: str) -> list[dict[str, str]]:
        return aws.kms.list_resource_tags(KeyId=id)["Tags"]

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.settle(aws, id, inputs)
        aws.kms.update_key_description(KeyId=id, Description=inputs.get("description", ""))
        if policy := inputs.get("policy"):
            aws.kms.put_key_policy(KeyId=id, PolicyName="default", Policy=policy)
        tags, old = inputs.get("tags", {}), unpaired(self._tags(aws, id), "TagKey", "TagValue")
        if surplus := [name for name in old if name not in tags]:
            aws.kms.untag_resource(KeyId=id, TagKeys=surplus)
        if tags:
            aws.kms.tag_resource(KeyId=id, Tags=pairs(tags, "TagKey", "TagValue"))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            self._one(aws, id)
        except Gone:
            return
        aws.kms.schedule_key_deletion(KeyId=id, PendingWindowInDays=known.get("deletionWindowInDays", 30))

    def find(self, aws: Aws, inputs: Values) -> str | None:
        tags = inputs.get("tags")
        for key in aws.kms.list_keys()["Keys"] if tags else []:
            try:
                self._one(aws, key["KeyId"])
            except Gone:
                continue
            if unpaired(self._tags(aws, key["KeyId"]), "TagKey", "TagValue") == tags:
                return key["KeyId"]
        return None


@kind("aws:kms/alias:Alias")
class Alias(Kind):
    computed = ("arn", "targetKeyArn")

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        name = inputs.get("name")
        if name is not None and not re.fullmatch(r"alias/(?!aws/)[\w/-]{1,250}", name):
            yield (
                "name",
                f"`{name}` has to begin with alias/ (not alias/aws/), and hold letters, digits, /, _ and - after it",
            )

    def create(self, aws: Aws, inputs: Values) -> str:
        aws.kms.create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return inputs["name"]

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        for each in aws.kms.list_aliases()["Aliases"]:
            if each["AliasName"] == id and each.get("TargetKeyId"):
                target = each["TargetKeyId"]
                wanted = known.get("targetKeyId", target)
                arn = f"arn:aws:kms:{aws.region}:{aws.account}:key/{target}"
                # The real provider takes an id for the ARN of the same key (suppressEquivalentTargetKeyIDs).
                told = wanted if wanted in (target, arn) else target
                return {"arn": each["AliasArn"], "name": id, "targetKeyId": told, "targetKeyArn": arn}
        raise Gone

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        aws.kms.update_alias(AliasName=id, TargetKeyId=inputs["targetKeyId"])

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            aws.kms.delete_alias(AliasName=id)
        except Exception as error:
            if code(error) != _NOT_FOUND:
                raise

    def find(self, aws: Aws, inputs: Values) -> str | None:
        try:
            return self.read(aws, inputs["name"], {})["name"]
        except Gone:
            return None
