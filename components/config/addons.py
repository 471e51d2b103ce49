"""The EKS add-ons that a cluster gets, and the versions that were current for each Kubernetes.

As of 2026-03, from public configurations of clusters of these versions and the tables below
docs.aws.amazon.com/eks/latest/userguide/eks-add-ons.html. A stack pins others by `eks.addons`; what can be had says
`aws eks describe-addon-versions`.
"""

from collections.abc import Mapping

VPC_CNI = "vpc-cni"
KUBE_PROXY = "kube-proxy"
POD_IDENTITY = "eks-pod-identity-agent"
COREDNS = "coredns"
EBS_CSI = "aws-ebs-csi-driver"
METRICS_SERVER = "metrics-server"

BEFORE_NODES = (VPC_CNI, KUBE_PROXY, POD_IDENTITY)
"""Those without which no node gets ready."""

BROUGHT_BY_AUTO_MODE = (VPC_CNI, KUBE_PROXY, POD_IDENTITY, COREDNS, EBS_CSI)
"""Those whose work Auto Mode does itself. It has no metrics-server, which every autoscaler of pods asks."""

ADDONS = (*BROUGHT_BY_AUTO_MODE, METRICS_SERVER)
"""All of them, in the order in which they are made."""

_VERSIONS: Mapping[str, Mapping[str, str]] = {
    "1.34": {
        VPC_CNI: "v1.21.1-eksbuild.1",
        KUBE_PROXY: "v1.34.1-eksbuild.2",
        POD_IDENTITY: "v1.3.10-eksbuild.2",
        COREDNS: "v1.12.4-eksbuild.1",
        EBS_CSI: "v1.54.0-eksbuild.1",
        METRICS_SERVER: "v0.8.0-eksbuild.5",
    },
    "1.35": {
        VPC_CNI: "v1.21.1-eksbuild.3",
        KUBE_PROXY: "v1.35.0-eksbuild.2",
        POD_IDENTITY: "v1.3.10-eksbuild.3",
        COREDNS: "v1.13.2-eksbuild.1",
        EBS_CSI: "v1.57.1-eksbuild.1",
        METRICS_SERVER: "v0.8.0-eksbuild.5",
    },
}


def default_version(addon: str, kubernetes: str) -> str | None:
    """The version of an add-on for a Kubernetes such as `1.35`; None where it is not known here."""
    return _VERSIONS.get(kubernetes, {}).get(addon)
