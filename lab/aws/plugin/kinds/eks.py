"""EKS clusters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from lab.aws.plugin.clients import Aws, code, given
from lab.aws.plugin.kind import Gone, Kind, Values, kind, tagged

NOT_FOUND = "ResourceNotFoundException"
IN_USE = "ResourceInUseException"
_CREATE, _UPDATE, _DELETE = 1800.0, 3600.0, 900.0
LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")


def one(call: Callable[[], dict[str, Any]], part: str) -> dict[str, Any]:
    """What a Describe call says.

    Raises:
        Gone: There is no such thing.
    """
    try:
        return call()[part]
    except Exception as error:
        if code(error) == NOT_FOUND:
            raise Gone from error
        raise


def retag(aws: Aws, resource: str, wanted: dict[str, str], present: dict[str, str]) -> None:
    """Bring the tags of something of EKS to what is wanted."""
    if surplus := [name for name in present if name not in wanted]:
        aws.eks.untag_resource(resourceArn=resource, tagKeys=surplus)
    if changed := {name: value for name, value in wanted.items() if present.get(name) != value}:
        aws.eks.tag_resource(resourceArn=resource, tags=changed)


def updated(aws: Aws, cluster: str, answer: dict[str, Any], **of: str) -> None:
    """Wait until an update is done.

    Raises:
        RuntimeError: It failed, or the time is over.
    """
    id = answer["update"]["id"]

    def state() -> str:
        return aws.eks.describe_update(name=cluster, updateId=id, **of)["update"]["status"]

    aws.wait(state, until=("Successful",), through=("InProgress",), seconds=_UPDATE)


def until_gone(aws: Aws, look: Callable[[], str], through: tuple[str, ...]) -> None:
    """Wait until something that is being deleted is no more."""

    def state() -> str:
        try:
            return look()
        except Gone:
            return "GONE"

    aws.wait(state, until=("GONE",), through=through, seconds=_DELETE)


@kind("aws:eks/cluster:Cluster")
class Cluster(Kind):
    computed = (
        "arn",
        "certificateAuthority",
        "createdAt",
        "endpoint",
        "identities",
        "platformVersion",
        "status",
        "accessConfig",
        "kubernetesNetworkConfig",
        "upgradePolicy",
        "version",
        "tagsAll",
    )
    inner: ClassVar = {
        "vpcConfig": ("clusterSecurityGroupId", "vpcId"),
        "kubernetesNetworkConfig": ("serviceIpv4Cidr",),
    }

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        name = inputs.get("name")
        if name is not None and not re.fullmatch(r"[0-9A-Za-z][\w-]{0,99}", name):
            yield "name", f"`{name}` has to have at most 100 letters, digits, - and _, and begin with a letter or digit"
        for each in inputs.get("enabledClusterLogTypes", []):
            if each not in LOGS:
                yield "enabledClusterLogTypes", f"`{each}` is none of {', '.join(LOGS)}"
        compute = (inputs.get("computeConfig") or {}).get("enabled", False)
        balancing = (inputs.get("kubernetesNetworkConfig") or {}).get("elasticLoadBalancing", {}).get("enabled", False)
        storage = (inputs.get("storageConfig") or {}).get("blockStorage", {}).get("enabled", False)
        # The real provider's own check (validateAutoModeCustomizeDiff).
        if len({compute, balancing, storage}) > 1:
            yield (
                "computeConfig",
                (
                    "compute_config.enabled, kubernetes_networking_config.elastic_load_balancing.enabled, and "
                    "storage_config.block_storage.enabled must all be set to either true or false"
                ),
            )

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.again(
            lambda: aws.eks.create_cluster(
                name=inputs["name"],
                roleArn=inputs["roleArn"],
                resourcesVpcConfig=_network(inputs["vpcConfig"]),
                bootstrapSelfManagedAddons=inputs["bootstrapSelfManagedAddons"],
                logging=_logging(inputs.get("enabledClusterLogTypes", [])),
                tags=inputs.get("tags", {}),
                **given(
                    version=inputs.get("version"),
                    accessConfig=inputs.get("accessConfig"),
                    encryptionConfig=_encryption(inputs),
                    upgradePolicy=inputs.get("upgradePolicy"),
                    zonalShiftConfig=inputs.get("zonalShiftConfig"),
                    deletionProtection=inputs.get("deletionProtection"),
                    computeConfig=inputs.get("computeConfig"),
                    kubernetesNetworkConfig=inputs.get("kubernetesNetworkConfig"),
                    storageConfig=inputs.get("storageConfig"),
                ),
            ),
            # A role that was made just now is not known everywhere yet (the real provider's retries).
            "InvalidParameterException",
            saying="could not be assumed",
            seconds=120,
        )
        return answer["cluster"]["name"]

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        def state() -> str:
            return aws.eks.describe_cluster(name=id)["cluster"]["status"]

        aws.wait(state, until=("ACTIVE",), through=("CREATING", "PENDING", "UPDATING"), seconds=_CREATE)

    def _one(self, aws: Aws, id: str) -> dict[str, Any]:
        return one(lambda: aws.eks.describe_cluster(name=id), "cluster")

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self._one(aws, id)
        network = found["resourcesVpcConfig"]
        encryption = (found.get("encryptionConfig") or [None])[0]
        enabled = [kind for part in found["logging"]["clusterLogging"] if part["enabled"] for kind in part["types"]]
        return {
            "arn": found["arn"],
            "name": found["name"],
            "version": found["version"],
            "roleArn": found["roleArn"],
            "endpoint": found.get("endpoint"),
            "certificateAuthority": found.get("certificateAuthority"),
            "createdAt": found["createdAt"].isoformat(),
            "identities": [{"oidcs": [{"issuer": found["identity"]["oidc"]["issuer"]}]}],
            "platformVersion": found["platformVersion"],
            "status": found["status"],
            "accessConfig": found["accessConfig"],
            "bootstrapSelfManagedAddons": known.get("bootstrapSelfManagedAddons"),
            "vpcConfig": {name: value for name, value in network.items() if value not in ([], None)},
            "kubernetesNetworkConfig": found["kubernetesNetworkConfig"],
            "encryptionConfig": encryption,
            "enabledClusterLogTypes": enabled or known.get("enabledClusterLogTypes"),
            "upgradePolicy": found["upgradePolicy"],
            "zonalShiftConfig": found["zonalShiftConfig"],
            "deletionProtection": found["deletionProtection"],
            "computeConfig": found.get("computeConfig"),
            "storageConfig": found.get("storageConfig"),
            **tagged(found.get("tags", {})),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.settle(aws, id, inputs)
        found = self._one(aws, id)
        for part in _changes(found, inputs):
            updated(aws, id, aws.eks.update_cluster_config(name=id, **part))
            self.settle(aws, id, inputs)
        if not found.get("encryptionConfig") and (wanted := _encryption(inputs)):
            updated(aws, id, aws.eks.associate_encryption_config(clusterName=id, encryptionConfig=wanted))
        version = inputs.get("version", found["version"])
        if version != found["version"]:
            updated(aws, id, aws.eks.update_cluster_version(name=id, version=version))
            self.settle(aws, id, inputs)
        retag(aws, found["arn"], inputs.get("tags", {}), found.get("tags", {}))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            aws.again(lambda: aws.eks.delete_cluster(name=id), IN_USE, saying="in progress", seconds=_DELETE)
        except Exception as error:
            if code(error) == NOT_FOUND:
                return
            raise
        until_gone(aws, lambda: self._one(aws, id)["status"], ("DELETING", "ACTIVE"))

    def find(self, aws: Aws, inputs: Values) -> str | None:
        try:
            return self._one(aws, inputs["name"])["name"]
        except Gone:
            return None


_NETWORK = ("subnetIds", "securityGroupIds", "endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs")


def _network(wanted: Values) -> dict[str, Any]:
    return {name: wanted[name] for name in _NETWORK if name in wanted}


def _encryption(inputs: Values) -> list[dict[str, Any]] | None:
    wanted = inputs.get("encryptionConfig")
    return [{"resources": wanted["resources"], "provider": wanted["provider"]}] if wanted else None


def _logging(types: list[str]) -> dict[str, Any]:
    off = [each for each in LOGS if each not in types]
    parts = [(sorted(types), True), (off, False)]
    return {"clusterLogging": [{"types": names, "enabled": on} for names, on in parts if names]}


def _changes(found: Values, inputs: Values) -> Iterator[dict[str, Any]]:
    """The requests that bring a cluster to these inputs: one kind of change in each (API_UpdateClusterConfig)."""
    network, present = _network(inputs["vpcConfig"]), found["resourcesVpcConfig"]
    endpoint = {name: network[name] for name in _NETWORK[2:] if name in network}
    if any(_differ(present.get(name), value) for name, value in endpoint.items()):
        yield {"resourcesVpcConfig": endpoint}
    place = {name: network.get(name, []) for name in _NETWORK[:2]}
    if any(_differ(present.get(name, []), value) for name, value in place.items()):
        yield {"resourcesVpcConfig": place}
    wanted = _logging(inputs.get("enabledClusterLogTypes", []))
    if wanted != found["logging"]:
        yield {"logging": wanted}
    mode = inputs.get("accessConfig", {}).get("authenticationMode")
    if mode and mode != found["accessConfig"]["authenticationMode"]:
        yield {"accessConfig": {"authenticationMode": mode}}
    for name in ("upgradePolicy", "zonalShiftConfig", "deletionProtection"):
        if name in inputs and inputs[name] != found[name]:
            yield {name: inputs[name]}
    auto = {name: inputs[name] for name in ("computeConfig", "storageConfig") if name in inputs}
    if balancing := inputs.get("kubernetesNetworkConfig", {}).get("elasticLoadBalancing"):
        auto["kubernetesNetworkConfig"] = {"elasticLoadBalancing": balancing}
    now = {
        "computeConfig": found.get("computeConfig"),
        "storageConfig": found.get("storageConfig"),
        "kubernetesNetworkConfig": {
            "elasticLoadBalancing": found["kubernetesNetworkConfig"].get("elasticLoadBalancing")
        },
    }
    if any(now[name] != value for name, value in auto.items()):
        yield auto


def _differ(one: Any, other: Any) -> bool:
    return sorted(one or []) != sorted(other or []) if isinstance(other, list) else one != other
