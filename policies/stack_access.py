"""Who is let in, over several objects: namespaces without a deny, services without a policy, tokens nobody asks for."""

from collections.abc import Iterator

from components.config.objects import ROOT_NAMESPACE
from policies.catalogue import MANDATORY, Finding, Setting, stack_policy
from policies.istio_gateways import VIRTUAL_SERVICE
from policies.istio_security import AUTHORIZATION, PEER_AUTHENTICATION, REQUEST_AUTHENTICATION
from policies.kubernetes_namespaces import NAMESPACE, injected
from policies.mesh import MESH, Pods, Selection, destinations, gateways_of, planes, routes, told_in
from policies.resources import ISTIOD, Stack, Subject
from policies.unknowns import Node


def _policies(stack: Stack, cluster: str) -> Selection:
    """AuthorizationPolicies of one cluster."""
    return Selection(stack.of(AUTHORIZATION, cluster=cluster))


def _denies_all(policy: Subject) -> bool:
    """Whether it allows nothing to nobody, for all of its namespace."""
    spec = policy.spec
    everywhere = spec["selector"].missing and spec["targetRefs"].missing and spec["targetRef"].missing
    return everywhere and (spec["action"].missing or spec["action"].is_("ALLOW")) and spec["rules"].missing


def _may_deny_all(policy: Subject) -> bool:
    """Whether it does, or would if what is not known were nothing."""
    spec = policy.spec
    return not any(spec[name].given for name in ("selector", "targetRefs", "targetRef", "rules"))


@stack_policy(
    "stack-default-deny",
    MANDATORY,
    on=[NAMESPACE],
    description="A namespace of the mesh refuses what no policy allows.",
    reason="A workload without a policy of its own is open to every other one, also to one that comes next year.",
    source="Istio: security best practices, use default-deny patterns",
)
def default_deny(stack: Stack, _: Setting) -> Iterator[Finding]:
    told = told_in(stack)
    for cluster in stack.clusters:
        policies = _policies(stack, told[cluster])
        mesh_wide = any(_denies_all(policy) for policy in policies.of(ROOT_NAMESPACE))
        for namespace in stack.of(NAMESPACE, cluster=cluster):
            name = namespace.object_name
            if mesh_wide or not injected(namespace):
                continue
            if any(_denies_all(policy) for policy in policies.of(name)):
                continue
            if not name or any(_may_deny_all(policy) for policy in (*policies.of(name), *policies.of(""))):
                stack.unknown(namespace, "metadata.name" if not name else "the AuthorizationPolicies of the namespace")
                continue
            yield Finding(
                f"namespace `{name}` has no default deny",
                "A workload without a policy of its own is open to every other one",
                "add an AuthorizationPolicy with an empty `spec` to it",
                about=namespace,
            )


@stack_policy(
    "stack-service-unprotected",
    MANDATORY,
    on=[VIRTUAL_SERVICE],
    description="A service that a gateway leads to has an AuthorizationPolicy.",
    reason="Everybody on the Internet, and every pod of the mesh, may ask anything of it.",
    source="Istio: security best practices, authorization policies",
)
def service_unprotected(stack: Stack, _: Setting) -> Iterator[Finding]:
    pods = Pods(stack)
    for cluster in stack.clusters:
        policies = _policies(stack, cluster)
        for route in routes(stack, cluster):
            if all(name == MESH for name in gateways_of(route)):
                continue
            seen: set[tuple[str, str]] = set()
            for found in destinations(route, mirrors=False):
                service = found.service
                if service is None or service in seen or service[0] == ROOT_NAMESPACE:
                    continue
                seen.add(service)
                if policies.holding(service[0], pods.labels(*service)):
                    continue
                if policies.of(""):
                    stack.unknown(route, found.node["host"].path)
                    continue
                yield Finding(
                    f"a gateway leads to `{found.host}`, and no AuthorizationPolicy holds for it",
                    "Everybody may ask anything of it",
                    f"add one to namespace `{service[0]}` that says who may, and a default deny",
                    found.node["host"].path,
                    route,
                )


@stack_policy(
    "stack-jwt-optional",
    MANDATORY,
    on=[REQUEST_AUTHENTICATION],
    description="A token that is verified is also asked for.",
    reason="A RequestAuthentication refuses wrong tokens, and lets requests without one through.",
    source="Istio: RequestAuthentication; security best practices",
)
def jwt_optional(stack: Stack, _: Setting) -> Iterator[Finding]:
    for cluster in stack.clusters:
        policies = _policies(stack, cluster)
        for authentication in stack.of(REQUEST_AUTHENTICATION, cluster=cluster):
            if authentication.spec["jwtRules"].missing:
                continue
            labels = authentication.spec.at("selector", "matchLabels").words
            held = policies.holding(authentication.namespace, labels or None)
            if any(_asks(policy) for policy in held):
                continue
            if not authentication.namespace or policies.of("") or not all(p.spec["rules"].complete for p in held):
                stack.unknown(authentication, "spec.jwtRules")
                continue
            yield Finding(
                "no AuthorizationPolicy asks for the token",
                "Requests without one pass: only wrong ones are refused",
                "add one for the same workload with `source.requestPrincipals`, or a DENY with "
                '`notRequestPrincipals: ["*"]`',
                "spec.jwtRules",
                authentication,
            )


def _asks(policy: Subject) -> bool:
    """Whether it lets nobody in without a token."""
    word = "notRequestPrincipals" if policy.spec["action"].is_("DENY") else "requestPrincipals"
    return any(
        _names_token(rule) or any(not item["source"][word].missing for item in rule["from"])
        for rule in policy.spec["rules"]
    )


def _names_token(rule: Node) -> bool:
    """Whether a rule surely asks for something of a token."""
    keys = [condition["key"].text or "" for condition in rule["when"]]
    asks = any(item["source"]["requestPrincipals"].given for item in rule["from"])
    return asks or any(key.startswith("request.auth.") for key in keys)


@stack_policy(
    "stack-jwt-unverified",
    MANDATORY,
    on=[AUTHORIZATION],
    description="A token that is asked for is also verified.",
    reason="Without a RequestAuthentication no request has a principal: a rule that asks for one lets nobody in.",
    source="Istio: RequestAuthentication; AuthorizationPolicy, source.requestPrincipals",
)
def jwt_unverified(stack: Stack, _: Setting) -> Iterator[Finding]:
    for cluster in stack.clusters:
        verified = Selection(stack.of(REQUEST_AUTHENTICATION, cluster=cluster))
        for policy in stack.of(AUTHORIZATION, cluster=cluster):
            if not (policy.spec["action"].missing or policy.spec["action"].is_("ALLOW")):
                continue
            rule = next((rule for rule in policy.spec["rules"] if _names_token(rule)), None)
            labels = policy.spec.at("selector", "matchLabels").words
            if rule is None or verified.holding(policy.namespace, labels or None):
                continue
            if not policy.namespace or verified.of(""):
                stack.unknown(policy, "metadata.namespace")
                continue
            yield Finding(
                "it asks for a token, and no RequestAuthentication verifies one for these pods",
                "No request has a principal, and the rule lets nobody in",
                "add a RequestAuthentication with the same selector, or correct the selector",
                rule.path,
                policy,
            )


@stack_policy(
    "stack-mesh-strict",
    MANDATORY,
    on=[ISTIOD],
    description="Each control plane has STRICT mutual TLS for the whole mesh.",
    reason="Without it every workload takes plain text: PERMISSIVE is Istio's default.",
    source="Istio: security best practices, mutual TLS; authentication policy, mesh-wide",
)
def mesh_strict(stack: Stack, _: Setting) -> Iterator[Finding]:
    for plane in planes(stack):
        if plane.remote:
            continue
        held = stack.of(PEER_AUTHENTICATION, cluster=plane.cluster)
        own = [p for p in held if p.namespace in (plane.root, "") and not p.spec["selector"].given]
        modes = [policy.spec.at("mtls", "mode") for policy in own]
        if any(mode.is_("STRICT") and policy.namespace for mode, policy in zip(modes, own, strict=True)):
            continue
        if not all(mode.known and policy.namespace for mode, policy in zip(modes, own, strict=True)):
            stack.unknown(plane.release, "the mesh's PeerAuthentication")
            continue
        yield Finding(
            "the mesh takes plain text",
            "PERMISSIVE is Istio's default for every workload that says nothing else",
            f"add a PeerAuthentication `default` with mode STRICT to `{plane.root}`",
            about=plane.release,
        )
