"""Who is believed in the mesh, and who is let in: one object at a time."""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, cast

import yaml

from policies.catalogue import ADVISORY, MANDATORY, Finding, Setting, resource_policy
from policies.resources import Subject
from policies.unknowns import Node, unnoticed

PEER_AUTHENTICATION = "security.istio.io/PeerAuthentication"
AUTHORIZATION = "security.istio.io/AuthorizationPolicy"
REQUEST_AUTHENTICATION = "security.istio.io/RequestAuthentication"
DESTINATION_RULE = "networking.istio.io/DestinationRule"
SECRET = "core/Secret"

_PRACTICES = "Istio: security best practices"
_OPEN = ("PERMISSIVE", "DISABLE")


def traffic_policies(rule: Subject) -> Iterator[Node]:
    """Every traffic policy of a DestinationRule: of all, of subsets, of ports. Each stands for itself."""
    for policy in (rule.spec["trafficPolicy"], *(subset["trafficPolicy"] for subset in rule.spec["subsets"])):
        if policy.given:
            yield policy
            yield from policy["portLevelSettings"]


@resource_policy(
    "istio-mtls-strict",
    MANDATORY,
    on=[PEER_AUTHENTICATION],
    description="Mutual TLS is STRICT, but for exemptions that are written down.",
    reason="Under PERMISSIVE whoever reaches the pod speaks to it, without an identity that any rule could ask for.",
    source=f"{_PRACTICES}, mutual TLS",
)
def mtls_strict(policy: Subject, _: Setting) -> Iterator[Finding]:
    mode = policy.spec.at("mtls", "mode")
    if mode.is_(*_OPEN):
        yield Finding(
            f"mode {mode.text}",
            "Everything that it holds for takes plain text from anybody",
            "write STRICT; where one port of one workload cannot yet, name it in `portLevelMtls` and exempt that",
            mode.path,
        )
    for port, setting in policy.spec["portLevelMtls"].items():
        if setting["mode"].is_(*_OPEN):
            yield Finding(
                f"port {port} takes plain text",
                "Whoever reaches the pod speaks to it, without an identity that any rule could ask for",
                "take it out once its callers are in the mesh, and exempt it until then",
                setting.path,
            )


@resource_policy(
    "istio-mtls-client",
    MANDATORY,
    on=[DESTINATION_RULE],
    description="No DestinationRule turns mutual TLS off for a service of the mesh.",
    reason="Requests then go in plain text: a STRICT service refuses them, and any other believes them unseen.",
    source="Istio: understanding TLS configuration; istioctl analyze IST0113",
)
def mtls_client(rule: Subject, _: Setting) -> Iterator[Finding]:
    host = rule.spec["host"].text or ""
    for policy in traffic_policies(rule):
        mode = policy.at("tls", "mode")
        # A whole name outside of the clusters' domain is an external service's.
        if mode.is_("DISABLE") and ("." not in host or host.endswith(".local")):
            yield Finding(
                f"requests to `{host}` go in plain text",
                "The services refuse them, which are STRICT",
                "take `tls` out: Istio then uses mutual TLS wherever it can",
                mode.path,
            )


def _anybody(rule: Node) -> bool:
    """Whether a rule holds for everybody, whatever the path: what it names in `to` is no limit."""
    sources = [item["source"] for item in rule["from"]]
    limited = not rule["from"].missing and not any(source.missing for source in sources)
    if limited or not rule["when"].missing:
        return False
    operations = [item["operation"] for item in rule["to"]]
    if not operations:
        return rule["to"].missing
    return any(_every_path(operation) for operation in operations)


def _every_path(operation: Node) -> bool:
    paths = operation["paths"]
    return paths.missing or any(path.is_("*", "/*") for path in paths)


@resource_policy(
    "istio-authz-allow-all",
    MANDATORY,
    on=[AUTHORIZATION],
    description="No AuthorizationPolicy lets everybody in.",
    reason="Rules are alternatives: one without `from` and `when` opens the workload, whatever the others ask for.",
    source=f"{_PRACTICES}, use default-deny patterns; Istio: authorization policy, rules",
)
def authz_allow_all(policy: Subject, _: Setting) -> Iterator[Finding]:
    action = policy.spec["action"]
    if not (action.missing or action.is_("ALLOW")):
        return
    for rule in policy.spec["rules"]:
        if _anybody(rule):
            limits = [name for item in rule["to"] for name, _ in item["operation"].items()]
            yield Finding(
                f"the rule lets everybody in, {' and '.join(dict.fromkeys(limits))} aside"
                if limits
                else "the rule lets everybody in",
                "Rules are alternatives, and the others ask for nothing any more",
                "say from whom (`from`), or under which condition (`when`); only single paths may be for everybody",
                rule.path,
            )


@resource_policy(
    "istio-jwks-plain",
    MANDATORY,
    on=[REQUEST_AUTHENTICATION],
    description="Keys of issuers are fetched by HTTPS.",
    reason="Who is on the way puts keys of his own there, and signs tokens for anybody.",
    source="OpenID Connect Discovery 1.0, 7.1 (TLS requirements); RFC 8725",
)
def jwks_plain(authentication: Subject, _: Setting) -> Iterator[Finding]:
    for rule in authentication.spec["jwtRules"]:
        uri = rule["jwksUri"]
        if (uri.text or "").startswith("http://"):
            yield Finding(
                f"the keys come from {uri.shown} in plain text",
                "Who is on the way puts his own there, and signs tokens for anybody",
                "fetch them by https, or write them out as `jwks`",
                uri.path,
            )


@resource_policy(
    "istio-jwt-audience",
    ADVISORY,
    on=[REQUEST_AUTHENTICATION],
    description="Tokens are taken that are meant for this platform.",
    reason="A token that a user gave to any other client of the issuer opens this platform as well.",
    source="RFC 8725, 3.9: use and validate audience",
)
def jwt_audience(authentication: Subject, _: Setting) -> Iterator[Finding]:
    for rule in authentication.spec["jwtRules"]:
        if rule["audiences"].missing:
            yield Finding(
                f"tokens of {rule['issuer'].shown} are taken whoever they are for",
                "One that was given to another service opens this one",
                "name this platform's `audiences`",
                rule.path,
            )


_NOT_INLINE = {
    "exec": "runs a program",
    "auth-provider": "asks a plugin",
    "tokenFile": "reads a file",
    "client-certificate": "reads a file",
    "client-key": "reads a file",
}


@resource_policy(
    "kubernetes-remote-secret",
    MANDATORY,
    on=[SECRET],
    description="Remote secrets hold their credentials themselves, and check who they talk to.",
    reason="istiod refuses any that runs a program or reads a file, and the peer's endpoints are never seen.",
    source="Istio 1.31 source, pkg/kube/multicluster: sanitizeKubeConfig",
)
def remote_secret_kubeconfig(secret: Subject, _: Setting) -> Iterator[Finding]:
    if not secret.labels["istio/multiCluster"].is_("true"):
        return
    for place in ("data", "stringData"):
        for name, value in secret[place].items():
            kubeconfig = _kubeconfig(value.text, encoded=place == "data")
            for user in kubeconfig["users"]:
                for method, does in _NOT_INLINE.items():
                    if user["user"][method].given:
                        yield Finding(
                            f"the kubeconfig of `{name}` {does} (`{method}`)",
                            "istiod refuses it, and sees nothing of that cluster",
                            "write a token or certificates themselves into it",
                            value.path,
                        )
            for cluster in kubeconfig["clusters"]:
                if cluster.at("cluster", "insecure-skip-tls-verify").is_(True):
                    yield Finding(
                        f"the kubeconfig of `{name}` takes any server for the cluster",
                        "Who is on the way gets the token, and tells istiod what endpoints there are",
                        "give the cluster's CA as `certificate-authority-data`",
                        value.path,
                    )


def _kubeconfig(text: str | None, *, encoded: bool) -> Node:
    try:
        plain = base64.b64decode(text or "", validate=True).decode() if encoded else text or ""
        return Node(cast(dict[str, Any], yaml.safe_load(plain)), "", unnoticed, secret=True)
    except (binascii.Error, UnicodeDecodeError, yaml.YAMLError):
        return Node({}, "", unnoticed)
