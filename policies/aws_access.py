"""IAM: documents that give everything, or to everybody."""

from collections.abc import Iterator

from policies.catalogue import MANDATORY, Finding, Setting, resource_policy
from policies.resources import Subject
from policies.unknowns import Node

_IDENTITY = {
    "aws:iam/policy:Policy": ("policy",),
    "aws:iam/rolePolicy:RolePolicy": ("policy",),
    "aws:iam/userPolicy:UserPolicy": ("policy",),
    "aws:iam/groupPolicy:GroupPolicy": ("policy",),
}
_RESOURCE = {
    "aws:iam/role:Role": ("assumeRolePolicy",),
    "aws:kms/key:Key": ("policy",),
    "aws:s3/bucketPolicy:BucketPolicy": ("policy",),
    "aws:sns/topicPolicy:TopicPolicy": ("policy",),
    "aws:sqs/queuePolicy:QueuePolicy": ("policy",),
    "aws:secretsmanager/secretPolicy:SecretPolicy": ("policy",),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": ("policy",),
}


def _one_or_many(node: Node) -> Iterator[Node]:
    """The items of a list, or the one that stands in its place."""
    items = list(node)
    yield from items if items else [node] if node.given else []


def _allowed(found: Subject, places: tuple[str, ...]) -> Iterator[Node]:
    for place in places:
        for statement in _one_or_many(found[place].parsed["Statement"]):
            if statement["Effect"].is_("Allow"):
                yield statement


@resource_policy(
    "aws-iam-wildcard-actions",
    MANDATORY,
    on=_IDENTITY,
    description="IAM policies name the actions that they allow.",
    reason="Whoever gets the role may do all that the service can, what AWS adds to it next year among it.",
    source="CIS AWS Foundations Benchmark 3.0 1.16; IAM best practices: apply least-privilege permissions",
)
def wildcard_actions(found: Subject, _: Setting) -> Iterator[Finding]:
    for statement in _allowed(found, _IDENTITY[found.resource.type]):
        for action in _one_or_many(statement["Action"]):
            text = action.text
            if text is not None and (text == "*" or text.endswith(":*")):
                yield Finding(
                    f"`{text}` allows {'everything' if text == '*' else 'all that the service can do'}",
                    "Whoever gets hold of the role may do it",
                    "name the actions that are needed",
                    action.path,
                )
        if statement["NotAction"].given:
            yield Finding(
                "`NotAction` allows everything but what it names",
                "What AWS adds next is allowed as well",
                "name the actions that are needed, as `Action`",
                statement["NotAction"].path,
            )


@resource_policy(
    "aws-iam-wildcard-principals",
    MANDATORY,
    on=_RESOURCE,
    description="Trust and resource policies name who they are for.",
    reason="With `*` and no condition every account of AWS may take the role or read the resource.",
    source="IAM best practices: verify public and cross-account access; IAM Access Analyzer",
)
def wildcard_principals(found: Subject, _: Setting) -> Iterator[Finding]:
    for statement in _allowed(found, _RESOURCE[found.resource.type]):
        principal = statement["Principal"]
        everybody = principal.is_("*") or any(item.is_("*") for item in _one_or_many(principal["AWS"]))
        if everybody and statement["Condition"].missing:
            yield Finding(
                "it allows every principal, without a condition",
                "Every account of AWS may use it",
                "name the accounts, roles or services in `Principal`",
                principal.path,
            )
