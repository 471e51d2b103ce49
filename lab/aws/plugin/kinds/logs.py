"""Log groups of CloudWatch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lab.aws.plugin.clients import Aws, code, given
from lab.aws.plugin.kind import Gone, Kind, Values, kind, tagged

RETENTIONS = (
    0,
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
"""Days (API_PutRetentionPolicy); 0 for ever."""


@kind("aws:cloudwatch/logGroup:LogGroup")
class LogGroup(Kind):
    computed = ("arn", "tagsAll")

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        name = inputs.get("name")
        if name is not None and not re.fullmatch(r"[\w/.#-]{1,512}", name):
            yield "name", f"`{name}` has to have 1 to 512 letters, digits and _-/.#"
        if inputs.get("retentionInDays", 0) not in RETENTIONS:
            yield (
                "retentionInDays",
                f"is {inputs['retentionInDays']}, and has to be one of {', '.join(map(str, RETENTIONS))}",
            )

    def create(self, aws: Aws, inputs: Values) -> str:
        aws.client("logs").create_log_group(
            logGroupName=inputs["name"],
            **given(kmsKeyId=inputs.get("kmsKeyId"), logGroupClass=inputs.get("logGroupClass")),
            tags=inputs.get("tags", {}),
        )
        return inputs["name"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        logs = aws.client("logs")
        if days := inputs["retentionInDays"]:
            logs.put_retention_policy(logGroupName=id, retentionInDays=days)
        elif self._one(aws, id).get("retentionInDays"):
            logs.delete_retention_policy(logGroupName=id)

    def _one(self, aws: Aws, id: str) -> dict[str, Any]:
        found = aws.client("logs").describe_log_groups(logGroupNamePrefix=id)["logGroups"]
        for each in found:
            if each["logGroupName"] == id:
                return each
        raise Gone

    def _tags(self, aws: Aws, arn: str) -> dict[str, str]:
        return aws.client("logs").list_tags_for_resource(resourceArn=arn)["tags"]

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self._one(aws, id)
        arn = found["arn"].removesuffix(":*")
        return {
            "arn": arn,
            "name": id,
            "retentionInDays": found.get("retentionInDays", 0),
            "kmsKeyId": found.get("kmsKeyId"),
            "skipDestroy": known.get("skipDestroy", False),
            **tagged(self._tags(aws, arn)),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.settle(aws, id, inputs)
        logs, arn = aws.client("logs"), self._one(aws, id)["arn"].removesuffix(":*")
        tags, old = inputs.get("tags", {}), self._tags(aws, arn)
        if surplus := [name for name in old if name not in tags]:
            logs.untag_resource(resourceArn=arn, tagKeys=surplus)
        if tags:
            logs.tag_resource(resourceArn=arn, tags=tags)

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        if known.get("skipDestroy"):
            return
        try:
            aws.client("logs").delete_log_group(logGroupName=id)
        except Exception as error:
            if code(error) != "ResourceNotFoundException":
                raise

    def find(self, aws: Aws, inputs: Values) -> str | None:
        try:
            return self._one(aws, inputs["name"])["logGroupName"]
        except Gone:
            return None
