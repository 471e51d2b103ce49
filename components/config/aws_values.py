"""Values of AWS with a meaning of their own: ranges of addresses, accounts, ARNs."""

import re
from ipaddress import IPv4Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, Field

from components.config.faults import invalid
from components.config.values import matching


def _range(value: str) -> str:
    try:
        found = ip_network(value)
    except ValueError:
        found = None
    if not isinstance(found, IPv4Network) or "/" not in value:
        raise invalid(
            f"`{value}` is not a range of IPv4 addresses",
            "No route and no rule could be made of it",
            "Write it as in `10.64.0.0/16`, without bits behind the mask",
        )
    return value


Range = Annotated[str, AfterValidator(_range), Field(examples=["10.64.0.0/16"])]
"""A range of IPv4 addresses, as in `10.64.0.0/16`, without bits behind the mask."""


def _public_range(value: str) -> str:
    found = network(_range(value))
    if found.prefixlen < _WIDEST:
        raise invalid(
            f"`{value}` is {'everybody' if found.prefixlen == 0 else f'wider than a /{_WIDEST}'}",
            "The API server would be open to the internet, and one stolen token enough",
            "Name the addresses that callers have when they leave their network, as in `203.0.113.0/24`",
        )
    if any(found.overlaps(private) for private in _PRIVATE):
        raise invalid(
            f"`{value}` is a private range",
            "Nobody comes to a public endpoint from there, and the caller that was meant is refused",
            "Write the address that the caller has on the internet, as in `203.0.113.10/32`",
        )
    return value


_WIDEST = 8
_PRIVATE = tuple(
    IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16")
)

PublicRange = Annotated[str, AfterValidator(_public_range), Field(examples=["203.0.113.0/24"])]
"""A range of addresses on the internet, as in `203.0.113.0/24`: no wider than a /8, and none of a private network."""


def network(value: str) -> IPv4Network:
    """A Range as a network."""
    return IPv4Network(value)


AccountId = Annotated[
    str,
    matching(
        re.compile(r"\d{12}"),
        "an account's number",
        "The provider could not refuse another account, and the stack might come into the wrong one",
        'Write its twelve digits in quotes, as in `"111122223333"`',
    ),
    Field(examples=['"111122223333"']),
]
"""Number of an AWS account: twelve digits, in quotes."""

_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):(role|user)/[\w+=,.@/-]+")
_POLICY = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]+")
_AUTHORITY = re.compile(r"arn:aws[a-z-]*:acm-pca:([a-z0-9-]+):(\d{12}):certificate-authority/[0-9a-f-]{36}")


def _no_session(value: str) -> str:
    if ":sts:" in value or ":assumed-role/" in value:
        raise invalid(
            f"`{value}` is a session",
            "EKS knows roles and users, and would refuse everybody of that role",
            "Write the role that the session is of, as in `arn:aws:iam::111122223333:role/deployer`",
        )
    return value


Principal = Annotated[
    str,
    AfterValidator(_no_session),
    matching(
        _PRINCIPAL,
        "the ARN of a role or user",
        "EKS would refuse the access entry",
        "Write it as in `arn:aws:iam::111122223333:role/deployer`",
    ),
    Field(examples=["arn:aws:iam::111122223333:role/deployer"]),
]
"""ARN of an IAM role or user."""


PolicyArn = Annotated[
    str,
    matching(
        _POLICY,
        "the ARN of a policy",
        "IAM would refuse every role",
        "Write it as in `arn:aws:iam::111122223333:policy/boundary`",
    ),
    Field(examples=["arn:aws:iam::111122223333:policy/boundary"]),
]
"""ARN of an IAM policy."""


AuthorityArn = Annotated[
    str,
    matching(
        _AUTHORITY,
        "the ARN of a private certificate authority",
        "Nothing could sign the intermediates",
        "Write it as in `arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/"
        "11111111-2222-3333-4444-555555555555`",
    ),
    Field(
        examples=["arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/11111111-2222-3333-4444-555555555555"]
    ),
]
"""ARN of a certificate authority of AWS Private CA."""


def account_of(arn: str) -> str:
    """The account in an ARN."""
    return arn.split(":")[4]


def region_of(arn: str) -> str:
    """The region in an ARN."""
    return arn.split(":")[3]
