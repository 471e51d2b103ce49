"""Who a consumer is to a cluster's API server. The contract exports no identity: each brings its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from istio_mesh_contract.model import ClusterOutputs
from istio_mesh_contract.problems import refused

_EXEC = "client.authentication.k8s.io/v1"


@dataclass(frozen=True)
class Token:
    """A bearer token, such as that of a service account."""

    token: pulumi.Input[str] = field(repr=False)


@dataclass(frozen=True)
class ClientCertificate:
    """A client certificate and its key, both PEM."""

    certificate: pulumi.Input[str]
    private_key: pulumi.Input[str] = field(repr=False)


@dataclass(frozen=True)
class Command:
    """A command that gives a credential whenever one is needed (client-go credential plugin, KEP-541)."""

    command: str
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class AwsIdentity:
    """The AWS identity of whoever runs the program, which has an access entry in the EKS cluster; needs the AWS CLI."""

    role: str | None = None
    """ARN of a role to take on first; default: the identity itself."""

    profile: str | None = None
    """Profile of the AWS configuration; default: that of the environment."""


Credentials = Token | ClientCertificate | Command | AwsIdentity


def inputs(credentials: Credentials) -> pulumi.Output[dict[str, str]]:
    """The values of the credentials that are outputs, by the kubeconfig's key for them; secret."""
    values: dict[str, pulumi.Input[str]] = {}
    if isinstance(credentials, Token):
        values = {"token": credentials.token}
    elif isinstance(credentials, ClientCertificate):
        values = {"client-certificate-data": credentials.certificate, "client-key-data": credentials.private_key}
    # Of nothing at all the SDK makes a list.
    given = pulumi.Output.all(**values) if values else pulumi.Output.from_input(dict[str, str]())
    return pulumi.Output.secret(given)


def user(credentials: Credentials, cluster: ClusterOutputs, source: str) -> dict[str, Any]:
    """The kubeconfig's user, but for `inputs`. Raises ContractError."""
    if isinstance(credentials, Command):
        return _command(credentials.command, credentials.arguments, credentials.environment)
    if not isinstance(credentials, AwsIdentity):
        return {}
    name = cluster.authentication.eks_cluster
    if name is None:
        raise refused(
            f"{source}: clusters.{cluster.name}.authentication",
            f"it is `{cluster.authentication.kind}`, and the cluster none of EKS",
            "Its API server knows no AWS identity",
            "Bring a Token, a ClientCertificate or a Command that it knows",
        )
    arguments = ["eks", "get-token", "--cluster-name", name, "--region", cluster.region, "--output", "json"]
    arguments += ["--role-arn", credentials.role] if credentials.role else []
    return _command("aws", arguments, {"AWS_PROFILE": credentials.profile} if credentials.profile else {})


def _command(command: str, arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    return {
        "exec": {
            "apiVersion": _EXEC,
            "command": command,
            "args": list(arguments),
            "env": [{"name": name, "value": value} for name, value in sorted(environment.items())],
            "interactiveMode": "Never",
        }
    }
