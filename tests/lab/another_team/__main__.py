"""Another team's program: registers the resources that a file lists, each to its letter, under one provider a cluster.

It exists to be judged. Objects of Kubernetes would be written into a folder, resources of AWS be noted in a file: what
is in either was deployed.
"""

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""By which the file marks a secret."""

LATER = "known once it is made"
"""By which the file marks a value that is not known before the first of its resources is made."""

config = pulumi.Config("another-team")
listed: list[dict[str, Any]] = json.loads(Path(config.require("resources")).read_text())
deployed = Path(config.require("deployed"))
providers: dict[str, pulumi.ProviderResource] = {}
made: list[pulumi.CustomResource] = []


def provider_of(entry: dict[str, Any]) -> pulumi.ProviderResource:
    """The provider of a resource, made when it is first needed."""
    name = "aws" if entry["type"].startswith("aws:") else entry["provider"]
    if name not in providers:
        providers[name] = (
            aws.Provider(name, region="us-east-1")
            if name == "aws"
            else kubernetes.Provider(name, render_yaml_to_directory=str(deployed / name))
        )
    return providers[name]


def opened(value: Any) -> Any:
    """The value, with secrets as outputs that are secret, and what is known later as outputs of the first resource."""
    if isinstance(value, dict):
        if LATER in value:
            return made[0].id.apply(lambda _: value[LATER])
        if SIGNATURE in value:
            return pulumi.Output.secret(value["value"])
        return {key: opened(item) for key, item in value.items()}
    return [opened(item) for item in value] if isinstance(value, list) else value


for entry in listed:
    options = pulumi.ResourceOptions(provider=provider_of(entry), protect=entry.get("protect"))
    made.append(pulumi.CustomResource(entry["type"], entry["name"], opened(entry["inputs"]), options))
