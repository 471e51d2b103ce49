"""Who may call what: nobody, but for declared callers with what they have to show."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import pulumi
import pulumi_kubernetes as kubernetes

from components.clusters.cluster import Cluster
from components.config.access import IssuerConfig, JwtConfig
from components.config.defaults import PUBLIC_PATHS
from components.config.mesh import MeshConfig
from components.config.names import path_covers
from components.config.platform import Platform, Service
from components.config.ports import HTTP_PROTOCOLS, protocol_of
from components.config.security import PermissiveConfig, SecurityConfig
from components.config.trust import TrustConfig
from components.mesh.gateways import INGRESS_NAMESPACE, INGRESS_RELEASE
from components.naming import common_labels, type_token
from components.resources.envoy_filters import inbound_filter
from components.resources.objects import IstioObject, Spec, create
from components.resources.path_guard import guard_filter
from components.resources.security import policy_name

DEFAULT_DENY = "default.deny"
"""Name of a namespace's policy without rules. No service has a dot in its name."""

GUARD_PRIORITY = 10
"""Order among the EnvoyFilters of a service: paths, then rates, then sizes."""


class Access(pulumi.ComponentResource):
    """Who may call the services of one cluster: a default deny in each of the stack's namespaces, and the allows."""

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        issuers: Mapping[str, IssuerConfig],
        security: SecurityConfig,
        trust: TrustConfig,
        mesh: MeshConfig,
        cluster: Cluster,
        namespaces: Mapping[str, kubernetes.core.v1.Namespace],
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("resources", "Access"), name, None, opts)
        objects = access_objects(
            platform, cluster.name, issuers=issuers, security=security, trust_domain=trust.trust_domain
        )
        create(
            self,
            name,
            objects,
            labels=common_labels("access", mesh_id=mesh.id),
            cluster=cluster,
            depends_on=depends_on,
            namespaces=namespaces,
        )
        self.register_outputs({})


def access_objects(
    platform: Platform,
    cluster: str,
    *,
    issuers: Mapping[str, IssuerConfig],
    security: SecurityConfig,
    trust_domain: str,
) -> list[IstioObject]:
    """Everything about who may call what in the cluster of that name, the default deny first."""
    return [
        *(default_deny(namespace) for namespace in platform.namespaces(cluster)),
        # Where nothing is denied, an allow would be what denies the rest.
        *(permissive_allow(entry) for entry in security.permissive if platform.says(entry.namespace)),
        *(
            found
            for service in platform.running(cluster)
            for found in service_access(
                service, callers=caller_principals(platform, service, trust_domain), issuers=issuers,
                trust_domain=trust_domain,
            )
        ),
    ]  # fmt: skip


def caller_principals(platform: Platform, service: Service, trust_domain: str) -> list[str]:
    """The identities of all that may call a service, the ingress among them where it routes to it, and other teams'.

    They are the same in every region: the east-west gateway passes mutual TLS on without opening it.
    """
    found = {principal(trust_domain, caller.namespace, caller.account) for caller in platform.callers(service)}
    if platform.behind_ingress(service):
        found.add(principal(trust_domain, INGRESS_NAMESPACE, INGRESS_RELEASE))
    # Of another team's workloads the stack knows the namespace alone: whoever may deploy there.
    found |= {principal(trust_domain, namespace, "*") for namespace in service.config.offered_to}
    return sorted(found)


def principal(trust_domain: str, namespace: str, account: str) -> str:
    """A workload's identity as policies name it: its SPIFFE id without the scheme."""
    return f"{trust_domain}/ns/{namespace}/sa/{account}"


def default_deny(namespace: str) -> IstioObject:
    """Refuses every request to every workload of a namespace that no other policy allows.

    A policy that allows (the default action) and has no rule allows nothing.
    """
    return IstioObject("AuthorizationPolicy", namespace, DEFAULT_DENY, {})


def permissive_allow(entry: PermissiveConfig) -> IstioObject:
    """Lets everybody reach the ports of an exception from mutual TLS: a caller in plain text has no identity."""
    return IstioObject(
        "AuthorizationPolicy",
        entry.namespace,
        policy_name(entry),
        {
            "selector": _selector(entry.workload),
            "action": "ALLOW",
            "rules": [{"to": [{"operation": {"ports": [str(port) for port in sorted(entry.ports)]}}]}],
        },
    )


def service_access(
    service: Service, *, callers: Iterable[str], issuers: Mapping[str, IssuerConfig], trust_domain: str
) -> list[IstioObject]:
    """The policies of one service.

    `callers` are principals: of the workloads that declare to call it and of the gateways that route to it. One
    policy has all the rules, so that what a path needs is never the sum of several objects.
    """
    access = service.config.access
    objects: list[IstioObject] = []
    if access is not None and access.jwt is not None:
        objects.append(
            IstioObject(
                "RequestAuthentication",
                service.namespace,
                service.name,
                {"selector": _selector(service.selector), "jwtRules": jwt_rules(access.jwt, issuers)},
            )
        )
    rules = allow_rules(service, callers=sorted(set(callers)), issuers=issuers, trust_domain=trust_domain)
    if rules:
        objects.append(
            IstioObject(
                "AuthorizationPolicy",
                service.namespace,
                service.name,
                {"selector": _selector(service.selector), "action": "ALLOW", "rules": rules},
            )
        )
    closed = sorted({path for paths in access.roles.values() for path in paths}) if access is not None else []
    guard = guard_filter(closed, access.public if access is not None else ())
    if guard is not None:
        objects.append(inbound_filter(service, "path-guard", [guard], priority=GUARD_PRIORITY))
    return objects


def jwt_rules(config: JwtConfig, issuers: Mapping[str, IssuerConfig]) -> list[Spec]:
    """How tokens are verified. A token that does not pass is refused on every path; none at all is `allow_rules`'."""
    return [_jwt_rule(issuers[name], config.audiences) for name in sorted(config.issuers)]


def allow_rules(
    service: Service, *, callers: Sequence[str], issuers: Mapping[str, IssuerConfig], trust_domain: str
) -> list[Spec]:
    """What is allowed; a request passes that one rule allows."""
    config, access = service.config, service.config.access
    protocols = {port.number: protocol_of(name, port) for name, port in config.ports.items()}
    public = PUBLIC_PATHS if access is None else access.public
    rules: list[Spec] = []
    if callers and (access is None or access.jwt is None):
        rules.append(_rule(callers))
    elif callers and access is not None and access.jwt is not None:
        named = [issuers[name] for name in sorted(access.jwt.issuers)]
        closed = sorted({path for paths in access.roles.values() for path in paths})
        if "/*" not in closed:
            rules.append(
                _rule(callers, tokens=_tokens(named), to=[_operation(notPaths=expand(closed))] if closed else None)
            )
        for role, paths in sorted(access.roles.items()):
            # The claim is named in the rule, so that issuers with roles in different claims need one each.
            by_claim = groupby(sorted(named, key=_claim), key=_claim)
            rules += [
                _rule(
                    callers,
                    tokens=_tokens(group),
                    to=_role_paths(paths, closed),
                    when=[{"key": f"request.auth.claims{claim}", "values": [role]}],
                )
                for claim, group in by_claim
            ]
        # A token has no place in a plain TCP stream, and a rule that asks for one allows none.
        streams = sorted(number for number, protocol in protocols.items() if protocol not in HTTP_PROTOCOLS)
        if streams:
            rules.append(_rule(callers, to=[_operation(ports=[str(number) for number in streams])]))
    if public and HTTP_PROTOCOLS & {protocol for protocol in protocols.values() if protocol is not None}:
        rules.append(_rule([f"{trust_domain}/*"], to=[_operation(paths=expand(public))]))
    return rules


def expand(patterns: Iterable[str]) -> list[str]:
    """Path patterns as policies have them: `/admin/*` is `/admin` and what begins with `/admin/`."""
    found: set[str] = set()
    for pattern in patterns:
        found |= {"/*"} if pattern == "/*" else {pattern.removesuffix("/*"), pattern}
    return sorted(found)


def _jwt_rule(issuer: IssuerConfig, audiences: tuple[str, ...] | None) -> Spec:
    if issuer.jwks is not None:
        keys: Spec = {"jwks": json.dumps({"keys": issuer.jwks.keys}, sort_keys=True, separators=(",", ":"))}
    else:
        keys = {"jwksUri": issuer.jwks_uri}
    return {
        "issuer": issuer.issuer,
        **keys,
        "audiences": sorted(audiences or issuer.audiences),
        "forwardOriginalToken": issuer.forward_token,
    }


def _role_paths(paths: Sequence[str], closed: Sequence[str]) -> list[Spec]:
    """Operations on a role's paths, without the narrower ones that only other roles have."""
    operations: list[Spec] = []
    for path in sorted(paths):
        narrower = [other for other in closed if other not in paths and path_covers(path, other)]
        besides = {"notPaths": expand(narrower)} if narrower else {}
        operations.append(_operation(paths=expand([path]), **besides))
    return operations


def _operation(**words: list[str]) -> Spec:
    return {"operation": words}


def _rule(
    callers: Sequence[str],
    *,
    tokens: list[str] | None = None,
    to: list[Spec] | None = None,
    when: list[Spec] | None = None,
) -> Spec:
    source: Spec = {"principals": list(callers)}
    if tokens is not None:
        source["requestPrincipals"] = tokens
    rule: Spec = {"from": [{"source": source}]}
    if to is not None:
        rule["to"] = to
    if when is not None:
        rule["when"] = when
    return rule


def _tokens(issuers: Iterable[IssuerConfig]) -> list[str]:
    """Any subject of these issuers, in the form `issuer/subject`."""
    return sorted(f"{issuer.issuer}/*" for issuer in issuers)


def _claim(issuer: IssuerConfig) -> str:
    return "".join(f"[{part}]" for part in issuer.roles_claim.split("."))


def _selector(labels: Mapping[str, str]) -> Spec:
    return {"matchLabels": dict(sorted(labels.items()))}
