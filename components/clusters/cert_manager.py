"""cert-manager in a cluster of EKS, and the issuer that proves by DNS whose the public hosts are."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from components.clusters.account import PODS, Place, policy, role
from components.clusters.control_plane import EksControlPlane
from components.config.aws import CERT_MANAGER_ISSUER, CertManagerConfig
from components.naming import child, type_token

ADDON = "cert-manager"
"""Name of the add-on, its namespace and its service account."""


class CertManager(pulumi.ComponentResource):
    """The add-on, its right to write proofs into one hosted zone, and a ClusterIssuer."""

    def __init__(
        self,
        name: str,
        config: CertManagerConfig,
        *,
        zone_id: str,
        place: Place,
        control_plane: EksControlPlane,
        provider: kubernetes.Provider,
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("clusters", "CertManager"), name, None, opts)
        own = role(name, place, ADDON, trust=PODS, inline=zone_policy(zone_id), parent=self)
        identity = aws.eks.PodIdentityAssociation(
            child(name, "identity"),
            cluster_name=control_plane.name,
            namespace=ADDON,
            service_account=ADDON,
            role_arn=own.arn,
            tags=place.tags(ADDON),
            opts=place.options(self, own.policies),
        )
        # EKS gives credentials to a pod when it is made, and to none that is there already.
        addon = aws.eks.Addon(
            child(name, "addon"),
            cluster_name=control_plane.name,
            addon_name=ADDON,
            addon_version=config.version,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="PRESERVE",
            tags=place.tags(ADDON),
            opts=place.options(self, [*depends_on, identity]),
        )
        kubernetes.apiextensions.CustomResource(
            child(name, "issuer"),
            api_version="cert-manager.io/v1",
            kind="ClusterIssuer",
            metadata={"name": CERT_MANAGER_ISSUER},
            spec=issuer_spec(config, zone_id=zone_id, region=place.region),
            opts=pulumi.ResourceOptions(parent=self, provider=provider, depends_on=[addon]),
        )
        self.register_outputs({})


def issuer_spec(config: CertManagerConfig, *, zone_id: str, region: str) -> dict[str, object]:
    """An ACME account with one solver, DNS-01 in one zone."""
    return {
        "acme": {
            "server": config.server,
            "email": config.email,
            "privateKeySecretRef": {"name": f"{CERT_MANAGER_ISSUER}-account"},
            "solvers": [{"dns01": {"route53": {"region": region, "hostedZoneID": zone_id}}}],
        }
    }


def zone_policy(zone_id: str) -> str:
    """Texts at `_acme-challenge` names of one zone, and nothing else of it (cert-manager.io, Route53)."""
    zone = f"arn:aws:route53:::hostedzone/{zone_id}"
    return policy(
        {"Effect": "Allow", "Action": ["route53:GetChange"], "Resource": "arn:aws:route53:::change/*"},
        {"Effect": "Allow", "Action": ["route53:ListResourceRecordSets"], "Resource": zone},
        {
            "Effect": "Allow",
            "Action": ["route53:ChangeResourceRecordSets"],
            "Resource": zone,
            "Condition": {
                "ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": ["TXT"]},
                "ForAllValues:StringLike": {
                    "route53:ChangeResourceRecordSetsNormalizedRecordNames": ["_acme-challenge.*"]
                },
            },
        },
    )
