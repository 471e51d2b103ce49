"""`istio-mesh:aws`: what the regions of a stack share, where it makes its clusters itself."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from components.config import defaults
from components.config.aws_network import AwsNetworkConfig, RetentionDays
from components.config.aws_values import (
    AccountId,
    PolicyArn,
    Principal,
    PublicRange,
    Range,
    account_of,
    network,
)
from components.config.faults import Fault, invalid
from components.config.mesh import ChartsConfig
from components.config.model import Model, exactly_one
from components.config.regions import REGIONS
from components.config.values import DnsLabel
from components.naming import AWS_TAG_VALUE_LIMIT

PEERING_LIMIT = 5
"""Regions up to which every pair of VPCs is peered. Each peering is a route in every table of two VPCs and a rule in
two security groups, and each region more touches all others: with five regions that is ten peerings and about a
hundred routes, with six fifteen and 180. A transit gateway has one route to all regions in each table."""

CONTROLLER_VERSION = "1.14.1"
"""Chart of the AWS Load Balancer Controller 2.14.1, as of 2025-11 (github.com/aws/eks-charts)."""


CERT_MANAGER_ISSUER = "letsencrypt"
"""Name of the ClusterIssuer that is made with cert-manager."""


def _environment(value: str) -> str:
    if len(value) > _ENVIRONMENT_LIMIT:
        raise invalid(
            f"`{value}` has more than {_ENVIRONMENT_LIMIT} characters",
            "It is part of every name in the account, and IAM takes 64 characters for all of one",
            "Write a short one, as in `prod`",
        )
    return value


_ENVIRONMENT_LIMIT = 12


def _tag(value: str) -> str:
    if not value.strip() or len(value) > AWS_TAG_VALUE_LIMIT:
        raise invalid(
            "it is empty" if not value.strip() else f"it has more than {AWS_TAG_VALUE_LIMIT} characters",
            "AWS refuses the tag, or nobody can be asked what the resource is for",
            "Write whom to ask, as in `platform-team`",
        )
    if not _TAG.fullmatch(value):
        raise invalid(
            f"`{value}` has other characters than letters, digits, spaces and `.:/+@_-`",
            "AWS refuses the tag, or the list of a load balancer's tags breaks at it",
            "Write it without them",
        )
    return value


_TAG = re.compile(r"[\w .:/+@-]+")

TagValue = Annotated[str, AfterValidator(_tag), Field(examples=["platform-team"])]
"""Value of a tag: 1 to 256 letters, digits, spaces and `.:/+@_-`."""


def _region_name(value: str) -> str:
    if value not in REGIONS:
        raise invalid(
            f"`{value}` is not a region that is known here",
            "Its zones and load balancers are not known",
            f"Take one of {', '.join(REGIONS)}, or add a line to components/config/regions.py",
        )
    return value


RegionName = Annotated[str, AfterValidator(_region_name), Field(examples=["us-east-1"])]
"""A region of AWS, as in `us-east-1`."""


class AwsTagsConfig(Model):
    """Tags of everything that the stack makes; `stack` and `region` are added. What AWS makes for it by itself does not
    have them: nodes and disks of Auto Mode, volumes of the CSI driver."""

    owner: TagValue
    """Whom to ask."""

    environment: Annotated[DnsLabel, AfterValidator(_environment), Field(examples=["prod"])]
    """Which environment it is, at most 12 characters. It is part of the names in the account too."""

    cost_centre: TagValue
    """Who pays."""


class ManagementVpcConfig(Model):
    """A VPC that is there already, from which the stack is deployed. It is peered with every region's VPC."""

    id: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]{8,17}$", examples=["vpc-0123456789abcdef0"])]
    """Its id."""

    region: RegionName
    """Its region."""

    cidr: Range
    """Its range of addresses."""

    route_tables: Annotated[
        tuple[Annotated[str, Field(pattern=r"^rtb-[0-9a-f]{8,17}$")], ...],
        Field(min_length=1, examples=[["rtb-0123456789abcdef0"]]),
    ]
    """Ids of the route tables of the subnets from which the stack is deployed: they get a route to every region."""


class DeployFromConfig(Model):
    """Who runs `pulumi up`, and from where the API servers are reached by it: exactly one of `egress`,
    `managementVpc`."""

    principal: Principal
    """The role or user that runs it: cluster-admin in every cluster."""

    egress: Annotated[tuple[PublicRange, ...], Field(min_length=1)] | None = None
    """Addresses that the runner has on the internet. Each cluster's `endpoint.publicFrom` must have them."""

    management_vpc: ManagementVpcConfig | None = None
    """The VPC that the runner is in: API servers may be private then."""

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(
            self,
            "egress",
            "managementVpc",
            why="A private API server cannot be reached from anywhere else, and the first `pulumi up` would stop at it",
            cure="Name the runner's addresses on the internet, or the VPC that it is in",
        )


class PeeringConfig(Model):
    """A peering of each two VPCs, with routes both ways."""


class TransitGatewayConfig(Model):
    """A transit gateway in each region; each two are peered."""

    first_asn: Annotated[int, Field(ge=64_512, le=65_500)] = 64_512
    """Private ASN of the gateway in slot 0, others follow by their slots; default 64512."""


class PublicLoadBalancersConfig(Model):
    """No private path: east-west gateways on the internet, for the peers' NAT gateways alone, and API servers too."""

    also_from: tuple[PublicRange, ...] = ()
    """Ranges that reach the east-west gateways besides; default: none."""


class BetweenRegionsConfig(Model):
    """How the clusters reach each other's east-west gateways and API servers: exactly one of the three."""

    peering: PeeringConfig | None = None
    """VPC peering; up to five regions."""

    transit_gateway: TransitGatewayConfig | None = None
    """Transit gateways."""

    public_load_balancers: PublicLoadBalancersConfig | None = None
    """The internet."""

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(
            self,
            "peering",
            "transitGateway",
            "publicLoadBalancers",
            why="The clusters would not reach each other, or by two ways",
            cure="Keep one; `peering: {}` for up to five regions",
        )


class AccessEntryConfig(Model):
    """One role or user with rights in every cluster."""

    principal: Principal
    """Its ARN."""

    rights: Literal["clusterAdmin", "admin", "edit", "view"]
    """EKS's own access policy. `clusterAdmin` is all of it; `view` reads no Secrets."""

    namespaces: tuple[DnsLabel, ...] = ()
    """Where; default: in the whole cluster."""

    def faults(self) -> Iterator[Fault]:
        if self.rights == "clusterAdmin" and self.namespaces:
            yield Fault(
                "clusterAdmin is given for single namespaces",
                "It gives rights over things that are in none, and a reader would think that it does not",
                "Write `admin`, or leave `namespaces` out",
                ("namespaces",),
            )


class AwsLogsConfig(Model):
    """Logs of the control planes, all kinds of them, in CloudWatch."""

    retention_days: RetentionDays = defaults.CONTROL_PLANE_LOGS_DAYS
    """How long they are kept; default 90."""

    keep: bool = False
    """Whether `pulumi destroy` leaves the log groups; default false. They must then be deleted by hand before the stack
    can be made again."""


class KeysConfig(Model):
    """The keys (KMS) that encrypt the clusters' Secrets; they rotate every year."""

    deletion_window_days: Annotated[int, Field(ge=7, le=30)] = defaults.KEY_DELETION_DAYS
    """Days from `pulumi destroy` until a key is gone, in which it can be had back; default 30."""


class LoadBalancerControllerConfig(Model):
    """The AWS Load Balancer Controller, where Auto Mode is off."""

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$", examples=[CONTROLLER_VERSION])] = CONTROLLER_VERSION
    """Version of its chart; default 1.14.1."""

    charts: ChartsConfig = ChartsConfig(repository="https://aws.github.io/eks-charts")
    """Where the chart `aws-load-balancer-controller` comes from; default: its public repository."""


class CertManagerConfig(Model):
    """cert-manager as an EKS add-on, and the issuer `letsencrypt` by DNS-01 in the zone of `gateways.ingress.name`."""

    version: Annotated[str, Field(pattern=r"^v\d+\.\d+\.\d+-eksbuild\.\d+$", examples=["v1.19.1-eksbuild.1"])]
    """Version of the add-on, as `aws eks describe-addon-versions --addon-name cert-manager` shows it."""

    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", examples=["platform@exam-platform.com"])]
    """Where Let's Encrypt writes when a certificate is about to end."""

    server: Annotated[str, Field(pattern=r"^https://", examples=["https://acme-v02.api.letsencrypt.org/directory"])] = (
        "https://acme-v02.api.letsencrypt.org/directory"
    )
    """ACME server; another one for trials."""


class AwsConfig(Model):
    """What the regions share."""

    account: AccountId
    """The account: the provider refuses every other one."""

    tags: Annotated[AwsTagsConfig, Field(examples=[{"owner": "platform", "environment": "prod", "costCentre": "4711"}])]
    """Tags of everything that is made."""

    network: Annotated[AwsNetworkConfig, Field(examples=[{"supernet": "10.64.0.0/13"}])]
    """The VPCs."""

    deploy_from: Annotated[
        DeployFromConfig,
        Field(examples=[{"principal": "arn:aws:iam::111122223333:role/deployer", "egress": ["203.0.113.10/32"]}]),
    ]
    """Who deploys, and from where."""

    between_regions: BetweenRegionsConfig = BetweenRegionsConfig(peering=PeeringConfig())
    """How the clusters reach each other; default: by VPC peering."""

    access: dict[DnsLabel, AccessEntryConfig] = Field(default={})
    """Who else has rights in the clusters, by a name of the stack's own; default: nobody."""

    permissions_boundary: PolicyArn | None = None
    """Policy that bounds every role that is made; default: none."""

    logs: AwsLogsConfig = AwsLogsConfig()
    """Logs of the control planes."""

    keys: KeysConfig = KeysConfig()
    """Keys of the clusters' Secrets."""

    deletion_protection: bool = defaults.DELETION_PROTECTION
    """Whether EKS refuses to delete the clusters; default true. Set it to false and run `pulumi up` before `pulumi
    destroy`."""

    zonal_shift: bool = defaults.ZONAL_SHIFT
    """Whether traffic may be moved out of a zone that fails (ARC zonal shift); default true."""

    load_balancer_controller: LoadBalancerControllerConfig = LoadBalancerControllerConfig()
    """The AWS Load Balancer Controller."""

    cert_manager: CertManagerConfig | None = None
    """cert-manager, for public hosts with `certManager: {issuer: letsencrypt}`; default: none."""

    def faults(self) -> Iterator[Fault]:
        seen = {self.deploy_from.principal: "deployFrom.principal"}
        for name, entry in self.access.items():
            if entry.principal in seen:
                yield Fault(
                    f"{entry.principal} has rights by {seen[entry.principal]} already",
                    "EKS takes one access entry for each principal",
                    "Keep one of the two",
                    ("access", name, "principal"),
                )
            seen.setdefault(entry.principal, f"access.{name}")
        places = [
            (("deployFrom", "principal"), self.deploy_from.principal),
            *((("access", name, "principal"), entry.principal) for name, entry in self.access.items()),
        ]
        for where, principal in places:
            if account_of(principal) != self.account:
                yield Fault(
                    f"{principal} is not of the account {self.account}",
                    "EKS knows principals of the cluster's own account alone",
                    "Write a role of this account, which the other one's may assume",
                    where,
                )
        boundary = self.permissions_boundary
        if boundary is not None and account_of(boundary) not in (self.account, "aws"):
            yield Fault(
                f"the boundary is not of the account {self.account}",
                "IAM takes a boundary of the role's own account alone",
                "Write the policy of this account",
                ("permissionsBoundary",),
            )
        management = self.deploy_from.management_vpc
        if management is not None:
            where = ("deployFrom", "managementVpc", "cidr")
            if network(management.cidr).overlaps(network(self.network.supernet)):
                yield Fault(
                    f"`{management.cidr}` overlaps the supernet `{self.network.supernet}`",
                    "AWS refuses to peer VPCs that have addresses in common",
                    "Move the supernet to addresses that the management VPC does not have",
                    where,
                )
            for peer in self.network.peers:
                if network(management.cidr).overlaps(network(peer)):
                    yield Fault(
                        f"`{management.cidr}` overlaps the peer `{peer}`",
                        "Of two routes to one address one is never taken",
                        "Take the management VPC's own range out of `network.peers`",
                        where,
                    )
