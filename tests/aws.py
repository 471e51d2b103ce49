"""Minimal stacks that make their clusters in AWS, as a stack file would have them."""

from pathlib import Path
from typing import Any

from components.clusters import Cluster, provision
from components.config import StackConfig
from components.config.loading import check
from tests import mocks
from tests.builders import Yaml, put, write_kubeconfig

REGIONS = {
    "use1": "us-east-1",
    "usw2": "us-west-2",
    "euw1": "eu-west-1",
    "euc1": "eu-central-1",
    "aps1": "ap-south-1",
    "sae1": "sa-east-1",
}
"""Regions by the names of their clusters, in the order in which a test takes them."""

RUNNER = "203.0.113.10/32"

MANAGEMENT: Yaml = {
    "id": "vpc-0123456789abcdef0",
    "region": "us-east-1",
    "cidr": "10.0.0.0/16",
    "routeTables": ["rtb-0123456789abcdef0"],
}

ZONE: Yaml = {"zone": "exam-platform.com", "zoneId": "Z0123456789ABCDEFGHIJ"}

CERT_MANAGER: Yaml = {"version": "v1.19.1-eksbuild.1", "email": "platform@exam-platform.com"}

AUTHORITY = "arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/11111111-2222-3333-4444-555555555555"

KUBECONFIG = "KUBECONFIG"
"""Stands for the file with the contexts of clusters that exist."""

NODES: Yaml = {"instanceTypes": ["m7g.large"], "min": 3, "max": 6}


def aws_stack(count: int = 2, **changes: Any) -> Yaml:
    """The smallest stack of so many clusters, reached over the internet by the runner. `changes` replaces values by
    their dotted paths, with `__` for a dot."""
    values: Yaml = {
        "clusters": [
            {"name": name, "region": region, "eks": {"slot": slot, "endpoint": {"publicFrom": [RUNNER]}}}
            for slot, (name, region) in enumerate(list(REGIONS.items())[:count])
        ],
        "aws": {
            "account": "111122223333",
            "tags": {"owner": "platform", "environment": "test", "costCentre": "4711"},
            "network": {"supernet": "10.64.0.0/13"},
            "deployFrom": {"principal": "arn:aws:iam::111122223333:role/deployer", "egress": [RUNNER]},
        },
        "trust": {"trustDomain": "exam-platform.local"},
        "mesh": {"id": "exam"},
        "gateways": {
            "ingress": {"servers": [{"hosts": ["exam-platform.com"], "tls": {"existingSecret": "exam-platform-tls"}}]}
        },
    }
    for path, value in changes.items():
        put(values, path.replace("__", "."), value)
    return values


def private_stack(count: int = 2, **changes: Any) -> Yaml:
    """The same with private API servers, deployed from a management VPC."""
    private: dict[str, Any] = {f"clusters__{index}__eks__endpoint": {} for index in range(count)}
    deploy_from = {"principal": "arn:aws:iam::111122223333:role/deployer", "managementVpc": dict(MANAGEMENT)}
    return aws_stack(count, **private, aws__deployFrom=deploy_from, **changes)


def existing(name: str, region: str) -> Yaml:
    """A cluster that exists."""
    return {"name": name, "region": region, "existing": {"kubeconfig": KUBECONFIG, "context": name}}


def groups(**changes: Any) -> Yaml:
    """One node group with these changes."""
    return {"nodeGroups": {"general": {**NODES, **changes}}}


def aws_config(values: Yaml) -> StackConfig:
    """The model; an assertion names its faults."""
    config, faults = check(values)
    assert config is not None, [str(fault) for fault in faults]
    return config


def aws_faults_of(values: Yaml, changes: dict[str, Any], folder: Path | None = None) -> list[str]:
    """The faults of a stack with these changes, one line each; in `folder` is the kubeconfig of clusters that exist."""
    kubeconfig = None if folder is None else write_kubeconfig(folder)
    values = _with(values, kubeconfig)
    for path, value in changes.items():
        put(values, path, _with(value, kubeconfig))
    return [str(fault) for fault in check(values)[1]]


def _with(values: Any, kubeconfig: Path | None) -> Any:
    """A copy with the file in the place of its mark."""
    if isinstance(values, dict):
        return {key: _with(item, kubeconfig) for key, item in values.items()}
    if isinstance(values, list):
        return [_with(item, kubeconfig) for item in values]
    return str(kubeconfig) if values == KUBECONFIG else values


def made(values: Yaml, **run: Any) -> tuple[mocks.Recording, list[Cluster]]:
    """What the clusters' room asks for, and what it gives."""
    found: list[Cluster] = []
    config = aws_config(values)
    return mocks.run(lambda: found.extend(provision(config)), **run), found


def tags(name: str, region: str = "us-east-1") -> Yaml:
    """The tags of everything in a stack here, of that name behind `exam-test-`."""
    return {
        "Name": f"exam-test-{name}",
        "owner": "platform",
        "environment": "test",
        "costCentre": "4711",
        "stack": mocks.STACK,
        "region": region,
        "managed-by": "istio-mesh",
    }


def all_before(recording: mocks.Recording, name: str) -> set[str]:
    """Everything that must be there before `name`, and goes only after it, however far back."""
    direct = {found.name: {*found.dependencies, found.provider} - {None} for found in recording.resources}
    before: set[str] = set()
    ahead = [name]
    while ahead:
        for dependency in direct.get(ahead.pop(), set()) - before:
            assert dependency is not None
            before.add(dependency)
            ahead.append(dependency)
    return before
