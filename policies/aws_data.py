"""What is kept on AWS: encrypted, its keys rotated, its logs not for ever."""

from collections.abc import Iterator

from policies.catalogue import ADVISORY, MANDATORY, Finding, Setting, resource_policy
from policies.resources import Subject
from policies.unknowns import Node

VOLUME = "aws:ebs/volume:Volume"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
INSTANCE = "aws:ec2/instance:Instance"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
KEY = "aws:kms/key:Key"

_TRUE = (True, "true")


@resource_policy(
    "aws-volume-encryption",
    MANDATORY,
    on=[VOLUME, LAUNCH_TEMPLATE, INSTANCE],
    description="Volumes are encrypted.",
    reason="Images, logs and emptyDirs of pods lie on nodes' volumes; a snapshot of one is all that it takes.",
    source="CIS AWS Foundations Benchmark 3.0 2.2.1; EKS best practices: data encryption",
)
def volume_encryption(found: Subject, _: Setting) -> Iterator[Finding]:
    for volume in _volumes(found):
        if volume["encrypted"].is_not(*_TRUE):
            yield Finding(
                "the volume is not encrypted",
                "Whoever gets a snapshot of it reads what pods have written",
                "set `encrypted: true`",
                volume.path,
            )


def _volumes(found: Subject) -> Iterator[Node]:
    if found.resource.type == VOLUME:
        yield found.properties
    elif found.resource.type == LAUNCH_TEMPLATE:
        for mapping in found["blockDeviceMappings"]:
            if mapping["ebs"].given:
                yield mapping["ebs"]
    else:
        yield found["rootBlockDevice"]
        yield from found["ebsBlockDevices"]


@resource_policy(
    "aws-imdsv2",
    MANDATORY,
    on=[LAUNCH_TEMPLATE, INSTANCE],
    description="Instances give their credentials by IMDSv2 alone.",
    reason="With version 1 any request that a server can be talked into makes gives the node's role away (SSRF).",
    source="CIS AWS Foundations Benchmark 3.0 5.6; EKS best practices: restrict access to the instance profile",
)
def imdsv2(found: Subject, _: Setting) -> Iterator[Finding]:
    options = found["metadataOptions"]
    if options["httpEndpoint"].is_("disabled"):
        return
    if options["httpTokens"].is_not("required"):
        yield Finding(
            "`httpTokens` is not `required`",
            "A server that can be talked into a request gives the node's role away",
            "set `httpTokens: required`",
            "metadataOptions",
        )


@resource_policy(
    "aws-imds-hops",
    ADVISORY,
    on=[LAUNCH_TEMPLATE, INSTANCE],
    description="Pods do not reach the metadata of their node.",
    reason="At two hops every pod can be its node: pull any image, describe the network, join the cluster.",
    source="EKS best practices: identity and access management, restrict access to the instance profile",
)
def imds_hops(found: Subject, _: Setting) -> Iterator[Finding]:
    hops = found.properties.at("metadataOptions", "httpPutResponseHopLimit")
    number = hops.number
    if number is not None and number > 1:
        yield Finding(
            f"the hop limit is {hops.shown}",
            "Pods get the credentials of their node",
            "set `httpPutResponseHopLimit: 1`, and give roles to pods by Pod Identity",
            hops.path,
        )


@resource_policy(
    "aws-log-encryption",
    ADVISORY,
    on=[LOG_GROUP],
    description="Log groups are encrypted with a key of the account's own.",
    reason="CloudWatch encrypts them with a key of its own, whose use nobody can refuse or see.",
    source="docs.aws.amazon.com/AmazonCloudWatch: encrypt log data in CloudWatch Logs using AWS KMS",
)
def log_encryption(group: Subject, _: Setting) -> Iterator[Finding]:
    if group["kmsKeyId"].missing:
        yield Finding(
            "there is no key",
            "Who may read the log group reads the audit log, and no key could be withdrawn",
            "set `kmsKeyId`, and let CloudWatch use that key",
            "kmsKeyId",
        )


@resource_policy(
    "aws-log-retention",
    ADVISORY,
    on=[LOG_GROUP],
    description="Log groups end what they keep.",
    reason="Kept for ever is the default: costs grow without a bound, and so does what may be stolen.",
    source="docs.aws.amazon.com/AmazonCloudWatch: change log data retention",
)
def log_retention(group: Subject, _: Setting) -> Iterator[Finding]:
    days = group["retentionInDays"]
    if days.missing or days.is_(0):
        yield Finding(
            "everything is kept for ever",
            "Its cost grows without a bound",
            "set `retentionInDays`, as in 90",
            "retentionInDays",
        )


@resource_policy(
    "aws-key-rotation",
    MANDATORY,
    on=[KEY],
    description="Symmetric KMS keys rotate.",
    reason="A key that was disclosed once opens all that was ever encrypted with it.",
    source="CIS AWS Foundations Benchmark 3.0 3.6",
)
def key_rotation(key: Subject, _: Setting) -> Iterator[Finding]:
    symmetric = key["customerMasterKeySpec"].missing or key["customerMasterKeySpec"].is_("SYMMETRIC_DEFAULT")
    if symmetric and key["enableKeyRotation"].is_not(True):
        yield Finding(
            "the key does not rotate",
            "Disclosed once, it opens all that was ever encrypted with it",
            "set `enableKeyRotation: true`",
            "enableKeyRotation",
        )
