"""The configuration of a provider in a program, such as `aws.Provider("use1", region="us-east-1")`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.aws.place import NotTheStandIn, endpoint
from lab.aws.plugin.clients import Aws
from lab.aws.plugin.values import holds_unknown

KNOWN = frozenset(
    {"region", "allowedAccountIds", "defaultTags", "version", "skipCredentialsValidation", "skipRegionValidation"}
)
"""What the stand-in takes note of. Anything else is refused: it would change what AWS does, unnoticed."""

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


class SettingsFault(Exception):
    """A setting that the provider cannot work with."""

    def __init__(self, property: str, sentence: str) -> None:
        super().__init__(sentence)
        self.property = property


@dataclass(frozen=True)
class Settings:
    """A region of an account, and the tags that everything in it gets."""

    region: str
    account: str
    default_tags: Mapping[str, str] = field(default_factory=dict)


def read_settings(given: Mapping[str, Any], *, look: bool) -> Settings:
    """Read the configuration. look: ask the account who it is, as the real provider does.

    Raises:
        SettingsFault: Something in it is wrong.
    """
    settings = {name: _value(value) for name, value in given.items()}
    for name in sorted(settings.keys() - KNOWN):
        raise SettingsFault(name, f"the stand-in for AWS does not know the setting `{name}` of its provider")
    region = settings.get("region") or os.environ.get("AWS_REGION", "")
    if holds_unknown(region):
        raise SettingsFault("region", "has to be known in a preview")
    if not region:
        raise SettingsFault("region", "is missing: the provider works in one region, and names it")
    if not _REGION.fullmatch(region):
        raise SettingsFault("region", f"`{region}` is no region of AWS")
    tags = (settings.get("defaultTags") or {}).get("tags") or {}
    if not look:
        return Settings(region, "", tags)
    try:
        endpoint()
    except NotTheStandIn as error:
        raise SettingsFault("endpoint", str(error)) from error
    account = Aws(region, "").client("sts").get_caller_identity()["Account"]
    allowed = settings.get("allowedAccountIds")
    if allowed and account not in allowed:
        raise SettingsFault(
            "allowedAccountIds", f"AWS account ID not allowed: {account} (allowed: {', '.join(allowed)})"
        )
    return Settings(region, account, tags)


def _value(value: Any) -> Any:
    """A provider's structured settings travel as JSON text."""
    if isinstance(value, str) and value[:1] in "{[" and value:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
