"""What may be wrong with the versions, add-ons and nodes of clusters that the stack makes in AWS.

Each case is a valid stack, a change of it, and every fault that it must show, word by word.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.aws import (
    aws_faults_of,
    aws_stack,
    groups,
)
from tests.builders import Yaml

CASES: list[tuple[str, Yaml, dict[str, Any], list[str]]] = [
    (
        "version of EKS that is not known",
        aws_stack(),
        {"clusters.0.eks.version": "1.29"},
        [
            (
                "istio-mesh:clusters[0].eks.version: `1.29` is not a version of EKS that is known here. EKS would"
                " refuse the cluster, or its end of support would come unannounced. Take one of 1.33, 1.34, 1.35,"
                " 1.36, in quotes."
            ),
        ],
    ),
    (
        "version as a number",
        aws_stack(),
        {"clusters.0.eks.version": 1.35},
        [
            (
                "istio-mesh:clusters[0].eks.version: it is the number 1.35, not a text. Nothing can be made of "
                'it. Put it in quotes, as in `"1.35"`.'
            ),
        ],
    ),
    (
        "Istio that does not take the version",
        aws_stack(),
        {
            "clusters.0.eks.version": "1.36",
            "clusters.0.eks.addons": {"metrics-server": "v0.8.0-eksbuild.5"},
            "mesh.version": "1.29.1",
        },
        [
            (
                "istio-mesh:clusters[0].eks.version: Istio 1.29.1 takes Kubernetes 1.31 to 1.35, and this is "
                "1.36. They were never tested together, and istiod may not start. Take a version of that range, "
                "or another `mesh.version`."
            ),
        ],
    ),
    (
        "add-on versions that are not known",
        aws_stack(),
        {"clusters.0.eks.version": "1.36"},
        [
            (
                "istio-mesh:clusters[0].eks.addons: the versions of metrics-server for Kubernetes 1.36 are not "
                "known here. What runs would be whatever EKS takes for the newest that day. Write them, as `aws "
                "eks describe-addon-versions` shows them, or take another `version`."
            ),
        ],
    ),
    (
        "add-on that is not known",
        aws_stack(),
        {"clusters.0.eks.addons": {"kube-state-metrics": "v1.0.0-eksbuild.1"}},
        [
            (
                "istio-mesh:clusters[0].eks.addons.kube-state-metrics: there is no add-on `kube-state-metrics` "
                "here. Its version would mean nothing. Known here: `vpc-cni`, `kube-proxy`, "
                "`eks-pod-identity-agent`, `coredns`, `aws-ebs-csi-driver`, `metrics-server`."
            ),
        ],
    ),
    (
        "add-on that Auto Mode brings",
        aws_stack(),
        {"clusters.0.eks.addons": {"coredns": "v1.13.2-eksbuild.1"}},
        [
            (
                "istio-mesh:clusters[0].eks.addons.coredns: Auto Mode brings `coredns` itself. A second one would"
                " fight with it over the nodes. Take it out, or write node groups in place of `autoMode`."
            ),
        ],
    ),
    (
        "add-on's version of its upstream",
        aws_stack(),
        {"clusters.0.eks.addons": {"metrics-server": "0.8.0"}},
        [
            (
                "istio-mesh:clusters[0].eks.addons.metrics-server: `0.8.0` is not an add-on's version. EKS would "
                "refuse it. Write it as `aws eks describe-addon-versions` does, as in `v1.13.2-eksbuild.1`."
            ),
        ],
    ),
    (
        "Auto Mode and node groups",
        aws_stack(),
        {"clusters.0.eks.compute": {"autoMode": {}, **groups()}},
        [
            (
                "istio-mesh:clusters[0].eks.compute: exactly one of `autoMode`, `nodeGroups` is needed, and both "
                "are given. Pods would have no node, or two owners of their nodes. Write `autoMode: {}`, or the "
                "node groups."
            ),
        ],
    ),
    (
        "Auto Mode without a pool for the mesh",
        aws_stack(),
        {"clusters.0.eks.compute": {"autoMode": {"nodePools": ["system"]}}},
        [
            (
                "istio-mesh:clusters[0].eks.compute.autoMode.nodePools: `general-purpose` is not among the node "
                "pools. The other one takes only pods that tolerate its taint, and the mesh's would wait for "
                "ever. Add it."
            ),
        ],
    ),
    (
        "no node group",
        aws_stack(),
        {"clusters.0.eks.compute": {"nodeGroups": {}}},
        [
            ("istio-mesh:clusters[0].eks.compute.nodeGroups: it is empty. There has to be at least one. Add one."),
        ],
    ),
    (
        "instance type that is none",
        aws_stack(),
        {"clusters.0.eks.compute": groups(instanceTypes=["large"])},
        [
            (
                "istio-mesh:clusters[0].eks.compute.nodeGroups.general.instanceTypes[0]: `large` is not an "
                "instance type. No node would start. Write family and size, as in `m7g.large`."
            ),
        ],
    ),
    (
        "two architectures in one group",
        aws_stack(),
        {"clusters.0.eks.compute": groups(instanceTypes=["m7g.large", "m7i.large"])},
        [
            (
                "istio-mesh:clusters[0].eks.compute.nodeGroups.general.instanceTypes: there are Graviton and x86 "
                "types in one group. One image is started on all of them, and half of the nodes would not come "
                "up. Make a group for each architecture."
            ),
        ],
    ),
    (
        "spot nodes of one type",
        aws_stack(),
        {"clusters.0.eks.compute": groups(spot=True)},
        [
            (
                "istio-mesh:clusters[0].eks.compute.nodeGroups.general.instanceTypes: there is no other type than"
                " m7g.large for spot nodes. When AWS takes that type back, all of them go at once and none can be"
                " had. Name several types of one size, as in `[m7g.large, m6g.large, m7gd.large]`."
            ),
        ],
    ),
    (
        "fewer nodes at most than at least",
        aws_stack(),
        {"clusters.0.eks.compute": groups(min=7)},
        [
            (
                "istio-mesh:clusters[0].eks.compute.nodeGroups.general.min: min (7) is above max (6). EKS refuses"
                " such a node group. Lower `min` or raise `max`."
            ),
        ],
    ),
    (
        "operating system that is not known",
        aws_stack(),
        {"clusters.0.eks.compute": groups(image="AL2")},
        [
            (
                "istio-mesh:clusters[0].eks.compute.nodeGroups.general.image: it is `AL2`. Only these are known: "
                "`AL2023`, `Bottlerocket`. Take one."
            ),
        ],
    ),
]


@pytest.mark.parametrize(("stack", "changes", "faults"), [pytest.param(s, c, f, id=i) for i, s, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, stack: Yaml, changes: dict[str, Any], faults: list[str]
) -> None:
    assert aws_faults_of(stack, changes, tmp_path) == faults
