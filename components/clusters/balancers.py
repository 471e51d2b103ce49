"""Load balancers of a cluster in AWS: what a Service has to say to get one, and the controller that makes them."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from components.charts import chart_arguments
from components.clusters.account import PODS, Place, role
from components.clusters.balancer_policy import CONTROLLER_POLICY
from components.clusters.cluster import LoadBalancer
from components.clusters.control_plane import EksControlPlane
from components.config.aws import LoadBalancerControllerConfig
from components.naming import LONGEST_AWS_ROLE, child, type_token

CONTROLLER_CLASS = "service.k8s.aws/nlb"
"""Class of the Services whose load balancers the AWS Load Balancer Controller makes: nobody else in the cluster takes
them for its own (kubernetes-sigs/aws-load-balancer-controller, guide/service/nlb.md)."""

AUTO_MODE_CLASS = "eks.amazonaws.com/nlb"
"""Class of the Services whose load balancers Auto Mode makes."""

CHART = "aws-load-balancer-controller"

_TIMEOUT_SECONDS = 600
_PREFIX = "service.beta.kubernetes.io/"


def load_balancer(
    *,
    automatic: bool,
    internal: bool,
    keeps_client: bool,
    tags: Mapping[str, str],
    source_ranges: Sequence[pulumi.Input[str]] = (),
) -> LoadBalancer:
    """A Network Load Balancer straight to the pods.

    `keeps_client`: whether pods see the callers' addresses. Ranges of callers count only where they do; requests of a
    pod to a load balancer that leads back to its own node get lost there (kubernetes-sigs/aws-load-balancer-controller,
    guide/service/nlb.md).
    """
    annotations = {
        # With Auto Mode the class says it; both together would be two owners.
        **({} if automatic else {"aws-load-balancer-type": "external"}),
        "aws-load-balancer-nlb-target-type": "ip",
        "aws-load-balancer-scheme": "internal" if internal else "internet-facing",
        "aws-load-balancer-target-group-attributes": f"preserve_client_ip.enabled={str(keeps_client).lower()}",
        # The gateway's own word for it, so that a pod that is about to end gets no new connection.
        "aws-load-balancer-healthcheck-protocol": "http",
        "aws-load-balancer-healthcheck-port": "15021",
        "aws-load-balancer-healthcheck-path": "/healthz/ready",
        "aws-load-balancer-additional-resource-tags": ",".join(f"{key}={value}" for key, value in tags.items()),
    }
    return LoadBalancer(
        annotations={f"{_PREFIX}{key}": value for key, value in annotations.items()},
        class_name=AUTO_MODE_CLASS if automatic else CONTROLLER_CLASS,
        source_ranges=tuple(source_ranges),
    )


class LoadBalancerController(pulumi.ComponentResource):
    """The AWS Load Balancer Controller, for clusters without Auto Mode.

    It has to outlive the Services: it takes their load balancers away, and holds their deletion back until it has.
    Its webhooks refuse what they do not answer, so there are two of it.
    """

    def __init__(
        self,
        name: str,
        config: LoadBalancerControllerConfig,
        *,
        place: Place,
        control_plane: EksControlPlane,
        vpc_id: pulumi.Input[str],
        provider: kubernetes.Provider,
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("clusters", "LoadBalancerController"), name, None, opts)
        own = role(name, place, LONGEST_AWS_ROLE, trust=PODS, inline=CONTROLLER_POLICY, parent=self)
        identity = aws.eks.PodIdentityAssociation(
            child(name, "identity"),
            cluster_name=control_plane.name,
            namespace="kube-system",
            service_account=CHART,
            role_arn=own.arn,
            tags=place.tags(LONGEST_AWS_ROLE),
            opts=place.options(self, own.policies),
        )
        kubernetes.helm.v3.Release(
            child(name, "release"),
            **chart_arguments(config.charts, CHART, config.version),
            name=CHART,
            namespace="kube-system",
            values=controller_values(cluster=control_plane.name, region=place.region, vpc_id=vpc_id, tags=place.common),
            timeout=_TIMEOUT_SECONDS,
            max_history=3,
            opts=pulumi.ResourceOptions(parent=self, provider=provider, depends_on=[identity, *depends_on]),
        )
        self.register_outputs({})


def controller_values(
    *, cluster: pulumi.Input[str], region: str, vpc_id: pulumi.Input[str], tags: Mapping[str, str]
) -> dict[str, pulumi.Input[object]]:
    """Values of its chart."""
    return {
        "clusterName": cluster,
        # It cannot ask the node for them: one hop is too few for a pod.
        "region": region,
        "vpcId": vpc_id,
        "replicaCount": 2,
        "podDisruptionBudget": {"maxUnavailable": 1},
        "serviceAccount": {"create": True, "name": CHART},
        # Services say themselves whose they are; a webhook on all of them would stand in the way of every one.
        "enableServiceMutatorWebhook": False,
        "defaultTags": dict(tags),
    }
