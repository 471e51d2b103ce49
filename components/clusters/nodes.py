"""Managed node groups, and the add-ons of a cluster: what has to be there before nodes, and what runs on them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components.clusters.account import PODS, Place, role
from components.clusters.control_plane import EksControlPlane
from components.clusters.network import Network
from components.config import addons
from components.config.eks import EksClusterConfig, NodeGroupConfig
from components.naming import child, type_token

_POD_ROLES: Mapping[str, tuple[str, str, str]] = {
    addons.VPC_CNI: ("cni", "AmazonEKS_CNI_Policy", "aws-node"),
    addons.EBS_CSI: ("disks", "service-role/AmazonEBSCSIDriverPolicy", "ebs-csi-controller-sa"),
}
"""Role, AWS's own policy and service account of the add-ons that ask AWS."""

_REPLICAS = {"replicaCount": 2}
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    # A cluster without DNS is down, and one without metrics scales no pod: neither hangs on one node.
    addons.COREDNS: _REPLICAS,
    addons.METRICS_SERVER: {"replicas": 2},
}
"""What differs from an add-on's own values."""

_UNAVAILABLE_PERCENT = 33
"""Share of a group's nodes that are replaced at once, in percent: a zone's worth."""

_DISKS = {"AL2023": "/dev/xvda", "Bottlerocket": "/dev/xvdb"}
"""Name of the disk for images and logs (Bottlerocket has another one for itself)."""


class Compute(pulumi.ComponentResource):
    """What pods of a cluster run on.

    The order of node groups is: CNI, kube-proxy and the Pod Identity agent, without which no node gets ready; nodes;
    add-ons with pods, which EKS waits for.
    """

    def __init__(
        self,
        name: str,
        config: EksClusterConfig,
        *,
        place: Place,
        network: Network,
        control_plane: EksControlPlane,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("clusters", "Compute"), name, None, opts)
        self._name, self._place, self._control_plane = name, place, control_plane
        pinned = config.pinned
        first = [self._addon(addon, version, ()) for addon, version in pinned.items() if addon in addons.BEFORE_NODES]
        groups = [
            self._group(group, found, config.version, network, first)
            for group, found in (config.compute.node_groups or {}).items()
        ]
        for addon, version in pinned.items():
            if addon not in addons.BEFORE_NODES:
                self._addon(addon, version, groups)
        self.register_outputs({})

    def _addon(self, addon: str, version: str, after: Sequence[pulumi.Resource]) -> aws.eks.Addon:
        place = self._place
        identity: dict[str, Any] = {}
        waits = list(after)
        if addon in _POD_ROLES:
            kind, managed, account = _POD_ROLES[addon]
            made = role(self._name, place, kind, trust=PODS, managed=(managed,), parent=self)
            identity = {"pod_identity_associations": [{"role_arn": made.arn, "service_account": account}]}
            waits += made.policies
        settings = _SETTINGS.get(addon)
        return aws.eks.Addon(
            child(self._name, addon),
            cluster_name=self._control_plane.name,
            addon_name=addon,
            addon_version=version,
            configuration_values=None if settings is None else json.dumps(settings),
            # What is there is EKS's own; what somebody changed by hand since is kept and shows as a failed update.
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="PRESERVE",
            tags=place.tags(addon),
            opts=place.options(self, waits),
            **identity,
        )

    def _group(
        self,
        group: str,
        config: NodeGroupConfig,
        version: str,
        network: Network,
        after: Sequence[pulumi.Resource],
    ) -> aws.eks.NodeGroup:
        place = self._place
        template = aws.ec2.LaunchTemplate(
            child(self._name, f"{group}-template"),
            name=place.name(group),
            update_default_version=True,
            metadata_options={
                "http_endpoint": "enabled",
                # IMDSv2, one hop: a pod does not come by the credentials of its node.
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
                "instance_metadata_tags": "disabled",
            },
            block_device_mappings=[
                {
                    "device_name": _DISKS[config.image],
                    "ebs": {
                        "volume_size": config.disk_gib,
                        "volume_type": "gp3",
                        "encrypted": "true",
                        "delete_on_termination": "true",
                    },
                }
            ],
            tag_specifications=[
                {"resource_type": kind, "tags": place.tags(group)}
                for kind in ("instance", "volume", "network-interface")
            ],
            tags=place.tags(group),
            opts=place.options(self),
        )
        return aws.eks.NodeGroup(
            child(self._name, group),
            cluster_name=self._control_plane.name,
            # Another type of node is another group: it is there, under a name of its own, before the former one drains.
            node_group_name_prefix=f"{group}-",
            node_role_arn=self._control_plane.node_role,
            subnet_ids=list(network.private),
            version=version,
            ami_type=config.ami_type,
            capacity_type="SPOT" if config.spot else "ON_DEMAND",
            instance_types=list(config.instance_types),
            launch_template={
                "id": template.id,
                "version": template.latest_version.apply(lambda number: str(int(number))),
            },
            scaling_config={"min_size": config.min, "max_size": config.max, "desired_size": config.min},
            update_config={"max_unavailable_percentage": _UNAVAILABLE_PERCENT},
            labels=config.labels,
            tags=place.tags(group),
            # The number of nodes is changed by whoever scales them.
            opts=place.options(self, after, ignore_changes=["scalingConfig.desiredSize"]),
        )
