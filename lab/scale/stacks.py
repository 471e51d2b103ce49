"""Stack files of many services over many regions, the same at every call: what scale is measured with.

The services are a platform's, not copies of one: layers that call each other, and in each of them some with versions,
rollouts, other regions to go to, tokens, limits and public hosts, in shares that a platform of this size has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lab.paths import CLONE
from lab.stack import NAME, PROJECT

Yaml = dict[str, Any]

DOMAIN = "apps.exam-platform.com"
"""Below it every service at the edge has its public host."""

ISSUER = "exam"
TEAM = 20
"""Services of one namespace."""

LAYERS = (10, 20, 40, 30)
"""Percent of the services in each layer, from the edge to what keeps data; each is called by the one above it."""

SMALL: Yaml = {
    "replicas": {"min": 1, "max": 1},
    "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
}


def region_names(count: int) -> list[str]:
    """Names of clusters for so many regions."""
    return [f"r{index:02d}" for index in range(count)]


def values(services: int, clusters: Sequence[Mapping[str, Any]], *, charts: str) -> Yaml:
    """What a stack of so many services says, by the keys of its namespace.

    Args:
        services: How many services; 0 leaves all that is said of services out.
        clusters: The entries of `clusters`, each with its name.
        charts: Folder of Istio's charts.
    """
    names = [str(cluster["name"]) for cluster in clusters]
    said = platform(services, names)
    hosts = [f"*.{DOMAIN}"] if any("hosts" in service for service in said.values()) else ["exam-platform.com"]
    asks = any("access" in service for service in said.values())
    callers = sorted(said)
    return {
        "clusters": [dict(cluster) for cluster in clusters],
        "trust": {"trustDomain": "exam-platform.local"},
        "mesh": {
            "id": "scale",
            "charts": {"folder": charts},
            "istiod": SMALL,
            "proxies": {"resources": SMALL["resources"]},
        },
        "gateways": {
            "ingress": {**SMALL, "servers": [{"hosts": hosts, "tls": {"generated": {}}}]},
            "eastWest": SMALL,
        },
        **({"services": said} if said else {}),
        **({"issuers": {ISSUER: _issuer()}} if asks else {}),
        **({"egress": egress(callers)} if said else {}),
    }


def write(values: Mapping[str, Any], folder: Path) -> Path:
    """Write a stack file of these values into `folder`, with the services of each team in a file beside it.

    Together they are more than the engine can hand to a program (see components/config/service_files.py).
    """
    said: Mapping[str, Yaml] = values.get("services", {})
    teams: dict[str, dict[str, Yaml]] = {}
    for key, service in said.items():
        teams.setdefault(key.partition("/")[0], {})[key] = service
    for team, services in teams.items():
        (folder / f"services-{team}.yaml").write_text(yaml.safe_dump(services, sort_keys=False))
    rest = {key: value for key, value in values.items() if key != "services"}
    if teams:
        rest["serviceFiles"] = [str(folder / "services-*.yaml")]
    committed = yaml.safe_load((CLONE / f"Pulumi.{NAME}.yaml").read_text())
    content = {
        "config": {f"{PROJECT}:{key}": value for key, value in rest.items()},
        # It belongs to the passphrase of the lab, with which the engine runs here too.
        "encryptionsalt": committed["encryptionsalt"],
    }
    file = folder / f"Pulumi.{NAME}.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def platform(count: int, clusters: Sequence[str]) -> dict[str, Yaml]:
    """The services by `namespace/name`; those of `clusters` that they run in are told by name."""
    layers = _layers(count)
    keys = [f"{namespace_of(index)}/s{index:04d}" for index in range(count)]
    layer_of = {index: depth for depth, layer in enumerate(layers) for index in layer}
    return {key: _service(index, layer_of[index], layers, keys, clusters) for index, key in enumerate(keys)}


def namespace_of(index: int) -> str:
    """Namespace of the service of this number."""
    return f"team-{index // TEAM:02d}"


def egress(callers: Sequence[str]) -> dict[str, Yaml]:
    """An external service for each fifty services, with a few of them as callers."""
    return {
        f"partner-{index:02d}": {
            "hosts": [f"api.partner-{index:02d}.example.com"],
            "ports": {"tls": 443},
            "callers": list(callers[index * 50 : index * 50 + 3]),
        }
        for index in range((len(callers) + 49) // 50)
    }


def _layers(count: int) -> list[range]:
    ends = [max(depth + 1, round(count * sum(LAYERS[: depth + 1]) / 100)) for depth in range(len(LAYERS))]
    return [range(begin, min(end, count)) for begin, end in zip([0, *ends], ends, strict=False)]


def _service(index: int, depth: int, layers: Sequence[range], keys: Sequence[str], clusters: Sequence[str]) -> Yaml:
    edge = depth == 0
    runs_in = list(clusters)
    service: Yaml = {"ports": {"http": 8080}}
    if index % 4 == 1:
        service["ports"]["grpc"] = 9090
    if not edge:
        service["callers"] = _callers(index, layers[depth - 1], keys)
    if edge:
        service["hosts"] = [f"s{index:04d}.{DOMAIN}"]
    elif index % 6 == 5 and len(clusters) > 1:
        # In half of the regions: the others' callers reach it there.
        runs_in = runs_in[: (len(runs_in) + 1) // 2]
        service["regions"] = runs_in
    service |= _versions(index)
    if index % 8 == 2 and len(runs_in) > 1:
        service["failover"] = {name: runs_in[(place + 1) % len(runs_in)] for place, name in enumerate(runs_in)}
    if edge or index % 10 == 4:
        service["access"] = {"jwt": {"issuers": [ISSUER]}}
        if index % 20 == 4:
            service["access"]["roles"] = {"admin": ["/admin/*"]}
    if edge or index % 12 == 7:
        service["rateLimit"] = {"requests": 100, "per": "60s"}
    if index % 25 == 8:
        service["maxRequestBody"] = "1Mi"
    return service


def _callers(index: int, above: range, keys: Sequence[str]) -> list[str]:
    """One to four services of the layer above; steps that share no factor with its size spread them over all of it."""
    return sorted({keys[above[(index * 7 + step * 13) % len(above)]] for step in range(1 + index % 4)})


def _versions(index: int) -> Yaml:
    if index % 5 == 0:
        return {
            "versions": ["v1", "v2"],
            "routes": [
                {"match": {"headers": {"user-type": "premium"}}, "version": "v2"},
                {"match": {"path": "/api/v1/*"}, "weights": {"v1": 90, "v2": 10}, "timeout": "5s"},
            ],
        }
    if index % 10 == 3:
        return {
            "versions": ["stable", "canary"],
            "canary": {"to": "canary", "percent": 10, "header": {"canary-user": "true"}},
        }
    if index % 20 == 7:
        return {"versions": ["blue", "green"], "blueGreen": {"active": "blue"}}
    return {}


def _issuer() -> Yaml:
    return {
        "issuer": "https://auth.exam-platform.com",
        "jwksUri": "https://auth.exam-platform.com/.well-known/jwks.json",
        "audiences": ["exam-platform-api"],
    }
