"""Managed node groups of EKS."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

from lab.aws.plugin.clients import Aws, code, given
from lab.aws.plugin.kind import Gone, Kind, Values, kind, tagged
from lab.aws.plugin.kinds.eks import IN_USE, NOT_FOUND, one, retag, until_gone, updated

_UNIQUE = 26
"""Characters that follow a prefix."""
_count = itertools.count(1)
_UPDATE, _DELETE = 3600.0, 900.0


@kind("aws:eks/nodeGroup:NodeGroup")
class NodeGroup(Kind):
    computed = (
        "arn",
        "nodeGroupName",
        "resources",
        "status",
        "amiType",
        "capacityType",
        "diskSize",
        "instanceTypes",
        "releaseVersion",
        "updateConfig",
        "version",
        "tagsAll",
    )

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        name = inputs.get("nodeGroupName")
        if name is not None and not 1 <= len(name) <= 63:
            yield "nodeGroupName", f"`{name}` has to have 1 to 63 characters"
        prefix = inputs.get("nodeGroupNamePrefix", "")
        if len(prefix) > 63 - _UNIQUE:
            yield "nodeGroupNamePrefix", f"`{prefix}` has to have at most {63 - _UNIQUE} characters: {_UNIQUE} follow"
        if name is not None and prefix:
            yield "nodeGroupNamePrefix", "cannot stand beside nodeGroupName"

    def create(self, aws: Aws, inputs: Values) -> str:
        name = inputs.get("nodeGroupName") or f"{inputs['nodeGroupNamePrefix']}{_unique()}"
        aws.again(
            lambda: aws.eks.create_nodegroup(
                clusterName=inputs["clusterName"],
                nodegroupName=name,
                nodeRole=inputs["nodeRoleArn"],
                subnets=inputs["subnetIds"],
                scalingConfig=inputs["scalingConfig"],
                labels=inputs.get("labels", {}),
                taints=_taints(inputs),
                tags=inputs.get("tags", {}),
                **given(
                    amiType=inputs.get("amiType"),
                    capacityType=inputs.get("capacityType"),
                    diskSize=inputs.get("diskSize"),
                    instanceTypes=inputs.get("instanceTypes"),
                    launchTemplate=_template(inputs),
                    updateConfig=inputs.get("updateConfig"),
                    nodeRepairConfig=inputs.get("nodeRepairConfig"),
                    version=inputs.get("version"),
                    releaseVersion=inputs.get("releaseVersion"),
                ),
            ),
            "InvalidParameterException",
            saying="cannot be found or assumed",
            seconds=120,
        )
        return f"{inputs['clusterName']}:{name}"

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        aws.wait(
            lambda: self._one(aws, id)["status"], until=("ACTIVE",), through=("CREATING", "UPDATING"), seconds=_UPDATE
        )

    def _one(self, aws: Aws, id: str) -> dict[str, Any]:
        cluster, _, name = id.partition(":")
        return one(lambda: aws.eks.describe_nodegroup(clusterName=cluster, nodegroupName=name), "nodegroup")

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self._one(aws, id)
        groups = [{"name": each["name"]} for each in found["resources"]["autoScalingGroups"]]
        return {
            "arn": found["nodegroupArn"],
            "clusterName": found["clusterName"],
            "nodeGroupName": found["nodegroupName"],
            "nodeRoleArn": found["nodeRole"],
            "subnetIds": found["subnets"],
            "status": found["status"],
            "version": found["version"],
            "releaseVersion": found["releaseVersion"],
            "amiType": found["amiType"],
            "capacityType": found["capacityType"],
            "diskSize": found.get("diskSize"),
            "instanceTypes": found["instanceTypes"],
            "scalingConfig": found["scalingConfig"],
            "updateConfig": found["updateConfig"],
            "nodeRepairConfig": found.get("nodeRepairConfig"),
            "launchTemplate": found.get("launchTemplate"),
            "labels": found["labels"] or None,
            "taints": [{**each, "effect": each["effect"]} for each in found["taints"]] or None,
            "resources": [{"autoscalingGroups": groups}],
            **tagged(found.get("tags", {})),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.settle(aws, id, inputs)
        cluster, _, name = id.partition(":")
        found = self._one(aws, id)
        wanted: dict[str, Any] = {}
        template = _template(inputs)
        version = inputs.get("version", found["version"])
        if version != found["version"]:
            wanted["version"] = version
        if inputs.get("releaseVersion", found["releaseVersion"]) != found["releaseVersion"]:
            wanted["releaseVersion"] = inputs["releaseVersion"]
        if template and str(template.get("version")) != str((found.get("launchTemplate") or {}).get("version")):
            wanted["launchTemplate"] = template
        if wanted:
            answer = aws.eks.update_nodegroup_version(
                clusterName=cluster, nodegroupName=name, force=inputs.get("forceUpdateVersion", False), **wanted
            )
            updated(aws, cluster, answer, nodegroupName=name)
            self.settle(aws, id, inputs)
        if change := _configuration(found, inputs):
            answer = aws.eks.update_nodegroup_config(clusterName=cluster, nodegroupName=name, **change)
            updated(aws, cluster, answer, nodegroupName=name)
            self.settle(aws, id, inputs)
        retag(aws, found["nodegroupArn"], inputs.get("tags", {}), found.get("tags", {}))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        cluster, _, name = id.partition(":")
        try:
            aws.again(
                lambda: aws.eks.delete_nodegroup(clusterName=cluster, nodegroupName=name), IN_USE, seconds=_DELETE
            )
        except Exception as error:
            if code(error) == NOT_FOUND:
                return
            raise
        until_gone(aws, lambda: self._one(aws, id)["status"], ("DELETING", "ACTIVE"))

    def find(self, aws: Aws, inputs: Values) -> str | None:
        cluster, wanted, prefix = inputs["clusterName"], inputs.get("nodeGroupName"), inputs.get("nodeGroupNamePrefix")
        try:
            names = one(lambda: aws.eks.list_nodegroups(clusterName=cluster), "nodegroups")
        except Gone:
            return None
        alike = [
            name
            for name in names
            if name == wanted or (prefix and name.startswith(prefix) and len(name) == len(prefix) + _UNIQUE)
        ]
        # Where one takes another one's place, both have the prefix: the one that is cut off is the younger.
        return f"{cluster}:{max(alike)}" if alike else None


def _unique() -> str:
    # As the real provider makes it (terraform-plugin-sdk, helper/id): a time, so that later names sort after earlier
    # ones, and a count.
    return f"{time.strftime('%Y%m%d%H%M%S', time.gmtime())}{time.time_ns() // 100000 % 10000:04d}{next(_count):08x}"


def _template(inputs: Values) -> dict[str, str] | None:
    wanted = inputs.get("launchTemplate")
    return {name: str(value) for name, value in wanted.items()} if wanted else None


def _taints(inputs: Values) -> list[dict[str, Any]]:
    return [dict(each) for each in inputs.get("taints", [])]


def _configuration(found: Values, inputs: Values) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if any(found["scalingConfig"].get(name) != value for name, value in inputs["scalingConfig"].items()):
        wanted["scalingConfig"] = inputs["scalingConfig"]
    for name in ("updateConfig", "nodeRepairConfig"):
        if name in inputs and inputs[name] != found.get(name):
            wanted[name] = inputs[name]
    labels, old = inputs.get("labels", {}), found["labels"]
    if labels != old:
        wanted["labels"] = {
            "addOrUpdateLabels": {key: value for key, value in labels.items() if old.get(key) != value},
            "removeLabels": [key for key in old if key not in labels],
        }
    taints, before = _taints(inputs), found["taints"]
    add, remove = [each for each in taints if each not in before], [each for each in before if each not in taints]
    if add or remove:
        wanted["taints"] = {"addOrUpdateTaints": add, "removeTaints": remove}
    return wanted
