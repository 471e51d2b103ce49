"""One public name over all regions: records of Route 53 that leave out a region which does not answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components.clusters.cluster import Cluster
from components.config.gateways import PublicNameConfig
from components.config.regions import REGIONS
from components.naming import child, type_token

READY_PORT = 15021
"""Where a gateway says whether it is ready; its load balancer serves it too."""

READY_PATH = "/healthz/ready"


class PublicName(pulumi.ComponentResource):
    """For each public host and cluster a record that leads to the ingress there, while its health check succeeds.

    The check asks the gateway itself, by the load balancer's own name. By TLS it could not be asked: there is no
    certificate for that name.
    """

    def __init__(
        self,
        name: str,
        config: PublicNameConfig,
        *,
        hosts: Sequence[str],
        clusters: Sequence[Cluster],
        addresses: Mapping[str, pulumi.Output[str]],
        served_by: Mapping[str, Sequence[pulumi.Resource]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`addresses`: names of the ingresses' load balancers, by cluster. `served_by`: what has to be there before a
        name leads there, and stays until none does: an address that is read from the cluster holds nothing back."""
        super().__init__(type_token("clusters", "PublicName"), name, None, opts)
        for cluster in clusters:
            place = cluster.place
            assert place is not None  # the model takes names of clusters in AWS alone
            balancer = addresses[cluster.name].apply(lambda known, cluster=cluster: balancer_of(known, cluster.name))
            check = aws.route53.HealthCheck(
                child(name, f"{cluster.name}-answers"),
                type="HTTP",
                fqdn=balancer,
                port=READY_PORT,
                resource_path=READY_PATH,
                request_interval=config.health_check.interval,
                failure_threshold=config.health_check.failures,
                tags=place.tags("ingress"),
                opts=place.options(self, served_by[cluster.name]),
            )
            for host in hosts:
                aws.route53.Record(
                    child(name, f"{host.replace('*', 'any')}-{cluster.name}"),
                    zone_id=config.zone_id,
                    name=host,
                    type="A",
                    set_identifier=cluster.name,
                    health_check_id=check.id,
                    aliases=[
                        {
                            "name": balancer,
                            "zone_id": REGIONS[cluster.region].balancer_zone,
                            "evaluate_target_health": True,
                        }
                    ],
                    **_policy(config, cluster),
                    opts=place.options(self, served_by[cluster.name]),
                )
        self.register_outputs({})


def _policy(config: PublicNameConfig, cluster: Cluster) -> dict[str, Any]:
    if config.failover is None:
        return {"latency_routing_policies": [{"region": cluster.region}]}
    first = config.failover.primary == cluster.name
    return {"failover_routing_policies": [{"type": "PRIMARY" if first else "SECONDARY"}]}


def balancer_of(address: str, cluster: str) -> str:
    """The name of an ingress's load balancer. Raises RunError where there is none."""
    if not address:
        raise pulumi.RunError(
            f"The ingress gateway of {cluster} has no load balancer, to which the public name could lead. See why: "
            f"`kubectl get service -n istio-ingress istio-ingress` and its events, in {cluster}."
        )
    return address
