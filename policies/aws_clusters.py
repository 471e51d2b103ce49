"""EKS: who reaches the API, what is logged, and for how long a version is kept up."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network

from components.config.support import EKS_SUPPORTED
from policies.catalogue import ADVISORY, MANDATORY, Finding, Setting, resource_policy
from policies.resources import Subject
from policies.unknowns import shown

CLUSTER = "aws:eks/cluster:Cluster"
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer"

END_OF_STANDARD_SUPPORT = {row.version: row.end_of_support for row in EKS_SUPPORTED}
"""Of each Kubernetes minor of EKS; None where no day is published."""

_LOGS = ("api", "audit", "authenticator")


def is_world(text: str) -> bool:
    """Whether a range holds every address, or half of them."""
    try:
        return ip_network(text, strict=False).prefixlen <= 1
    except ValueError:
        return False


@resource_policy(
    "aws-eks-public-endpoint",
    MANDATORY,
    on=[CLUSTER],
    description="A cluster's API is private, or open to a list of addresses.",
    reason="Everybody may try stolen tokens and holes of the API server. Left out, it is open to the world.",
    source="CIS Amazon EKS Benchmark 5.4.1 and 5.4.2; EKS best practices: cluster access management",
)
def public_endpoint(cluster: Subject, _: Setting) -> Iterator[Finding]:
    access = cluster.properties.at("vpcConfig", "endpointPublicAccess")
    ranges = cluster.properties.at("vpcConfig", "publicAccessCidrs")
    if not (access.missing or access.is_(True)):
        return
    cure = "set `endpointPublicAccess: false`, or list your own addresses in `publicAccessCidrs`"
    if ranges.missing:
        yield Finding(
            "the API is public, and no addresses are listed", "EKS takes that for 0.0.0.0/0", cure, "vpcConfig"
        )
    for item in ranges:
        text = item.text
        if text is not None and is_world(text):
            yield Finding(f"the API is open to {text}", "Everybody may try what they have at it", cure, item.path)


@resource_policy(
    "aws-eks-secrets-encryption",
    MANDATORY,
    on=[CLUSTER],
    description="A cluster's Secrets are encrypted with a KMS key of the account's own.",
    reason="Tokens and private keys then stay closed to whoever gets at the API's store, and use of the key is logged.",
    source="CIS Amazon EKS Benchmark 5.3.1; EKS best practices: data encryption and secrets management",
)
def secrets_encryption(cluster: Subject, _: Setting) -> Iterator[Finding]:
    encryption = cluster["encryptionConfig"]
    if encryption.missing:
        yield Finding(
            "Secrets are not encrypted with a key of your own",
            "Who gets at the API's store, or at a copy of it, reads every token and private key",
            "set `encryptionConfig` with `resources: [secrets]` and the key's ARN",
            "encryptionConfig",
        )
    elif encryption["resources"].complete and "secrets" not in encryption["resources"].texts:
        yield Finding(
            "`secrets` is not among what is encrypted",
            "Nothing else can be, so nothing is",
            "write `resources: [secrets]`",
            "encryptionConfig.resources",
        )


@resource_policy(
    "aws-eks-logs",
    MANDATORY,
    on=[CLUSTER],
    description="A cluster logs what its API, audit and authenticator see.",
    reason="Nobody can tell later who did what: none of it is kept unless it is asked for.",
    source="CIS Amazon EKS Benchmark 2.1.1; EKS best practices: detective controls",
)
def control_plane_logs(cluster: Subject, _: Setting) -> Iterator[Finding]:
    types = cluster["enabledClusterLogTypes"]
    if not types.complete:
        return
    absent = [name for name in _LOGS if name not in types.texts]
    if absent:
        yield Finding(
            f"{', '.join(absent)} {'are' if len(absent) > 1 else 'is'} not logged",
            "After an incident nobody could tell who did what",
            f"add {', '.join(f'`{name}`' for name in absent)}",
            "enabledClusterLogTypes",
        )


@resource_policy(
    "aws-eks-access-entries",
    ADVISORY,
    on=[CLUSTER],
    description="Access to a cluster is given by access entries.",
    reason="The aws-auth map is inside of the cluster: a slip in it locks everybody out, and CloudTrail sees nothing.",
    source="EKS best practices: identity and access management, use access entries",
)
def access_entries(cluster: Subject, _: Setting) -> Iterator[Finding]:
    mode = cluster.properties.at("accessConfig", "authenticationMode")
    if mode.is_not("API"):
        yield Finding(
            f"`authenticationMode` is {mode.shown}" if mode.given else "`authenticationMode` is left out",
            "The aws-auth map gives access too, and one slip in it locks everybody out",
            "write `API`, and make an access entry for each of those in the map",
            "accessConfig",
        )


@resource_policy(
    "aws-eks-version-ended",
    MANDATORY,
    on=[CLUSTER],
    description="A cluster's Kubernetes version has standard support.",
    reason="After it EKS charges six times as much for the cluster, and then upgrades it on a day of its own choice.",
    source="docs.aws.amazon.com/eks: Kubernetes version lifecycle; amazon EKS pricing, extended support",
)
def version_ended(cluster: Subject, setting: Setting) -> Iterator[Finding]:
    version = cluster["version"].text
    if version is None:
        return
    if version not in END_OF_STANDARD_SUPPORT:
        yield Finding(
            f"Kubernetes {version} is not among the versions that are known here",
            "Whether and until when EKS supports it cannot be told",
            f"take one of {', '.join(END_OF_STANDARD_SUPPORT)}, or update the pack's table",
            "version",
        )
    elif (end := END_OF_STANDARD_SUPPORT[version]) is not None and end < setting.today:
        yield Finding(
            f"EKS's standard support of Kubernetes {version} ended on {end}",
            "The cluster costs six times as much from then on, and is upgraded without being asked",
            f"upgrade to {_newest()}, one minor at a time",
            "version",
        )


@resource_policy(
    "aws-eks-version-ending",
    ADVISORY,
    on=[CLUSTER],
    description="A cluster's Kubernetes version is not near the end of its standard support.",
    reason="An upgrade of cluster, nodes and mesh takes weeks to plan.",
    source="docs.aws.amazon.com/eks: Amazon EKS Kubernetes release calendar",
)
def version_ending(cluster: Subject, setting: Setting) -> Iterator[Finding]:
    end = END_OF_STANDARD_SUPPORT.get(cluster["version"].text or "")
    before = timedelta(seconds=setting.parameters.end_of_support.seconds)
    if end is not None and setting.today <= end <= setting.today + before:
        yield Finding(
            f"EKS's standard support of Kubernetes {cluster['version'].text} ends on {end}",
            "An upgrade of cluster, nodes and mesh takes weeks to plan",
            f"plan the upgrade to {_newest()} now",
            "version",
        )


@resource_policy(
    "aws-deletion-protection",
    MANDATORY,
    on=[CLUSTER, LOAD_BALANCER],
    production=True,
    description="In production, clusters and load balancers are protected from deletion.",
    reason="One `destroy` in the wrong terminal takes a region away; protection makes it two steps.",
    source="docs.aws.amazon.com/eks: protect an EKS cluster from accidental deletion",
)
def deletion_protection(found: Subject, _: Setting) -> Iterator[Finding]:
    name = "deletionProtection" if found.resource.type == CLUSTER else "enableDeletionProtection"
    if not found.resource.protect and found[name].is_not(True):
        yield Finding(
            "it is not set",
            "One `destroy` in the wrong terminal would take it away, with all that it serves",
            f"set `{name}: true`, or the resource option `protect`",
            name,
        )


@resource_policy(
    "aws-node-ssh",
    MANDATORY,
    on=[NODE_GROUP],
    description="Nodes are not reached by SSH from everywhere.",
    reason="A key for a node group without source groups opens port 22 to the world; SSM needs no open port.",
    source="EKS best practices: infrastructure security, minimize access to worker nodes",
)
def node_ssh(group: Subject, _: Setting) -> Iterator[Finding]:
    remote = group["remoteAccess"]
    if remote["ec2SshKey"].given and remote["sourceSecurityGroupIds"].missing:
        yield Finding(
            "there is an SSH key, and no source security groups",
            "EKS opens port 22 of every node to the world",
            "take `remoteAccess` out and use SSM Session Manager, or name `sourceSecurityGroupIds`",
            "remoteAccess",
        )


def _newest() -> str:
    return shown(max(END_OF_STANDARD_SUPPORT, key=lambda version: int(version.partition(".")[2])))
