"""What policies find in who is believed and let in: one change to what all of them pass, and every message."""

import pytest

from tests.builders import ABSENT
from tests.policies.cases import Case, check
from tests.policies.compliant import mesh

CASES: list[Case] = [
    Case(
        "istio-mtls-strict",
        "permissive",
        lambda: mesh({"strict": {"spec.mtls.mode": "PERMISSIVE"}}),
        [
            (
                "spec.mtls.mode: mode PERMISSIVE. Everything that it holds for takes plain text from anybody.\n"
                "Mend it: write STRICT; where one port of one workload cannot yet, name it in `portLevelMtls` and "
                "exempt that."
            ),
        ],
    ),
    Case(
        "istio-mtls-strict",
        "one port",
        lambda: mesh({"strict": {"spec.portLevelMtls": {"8081": {"mode": "DISABLE"}}}}),
        [
            (
                "spec.portLevelMtls.8081: port 8081 takes plain text. Whoever reaches the pod speaks to it, "
                "without an identity that any rule could ask for.\n"
                "Mend it: take it out once its callers are in the mesh, and exempt it until then."
            ),
        ],
    ),
    Case(
        "istio-mtls-client",
        "off",
        lambda: mesh({"versions": {"spec.trafficPolicy.tls": {"mode": "DISABLE"}}}),
        [
            (
                "spec.trafficPolicy.tls.mode: requests to `api-service` go in plain text. The services refuse "
                "them, which are STRICT.\n"
                "Mend it: take `tls` out: Istio then uses mutual TLS wherever it can."
            ),
        ],
    ),
    Case(
        "istio-authz-allow-all",
        "an empty rule",
        lambda: mesh({"callers": {"spec.rules.1": {}}}),
        [
            (
                "spec.rules[1]: the rule lets everybody in. Rules are alternatives, and the others ask for nothing "
                "any more.\n"
                "Mend it: say from whom (`from`), or under which condition (`when`); only single paths may be for "
                "everybody."
            ),
        ],
    ),
    Case(
        "istio-authz-allow-all",
        "methods alone",
        lambda: mesh({"callers": {"spec.rules.1": {"to": [{"operation": {"methods": ["GET"]}}]}}}),
        [
            (
                "spec.rules[1]: the rule lets everybody in, methods aside. Rules are alternatives, and the others "
                "ask for nothing any more.\n"
                "Mend it: say from whom (`from`), or under which condition (`when`); only single paths may be for "
                "everybody."
            ),
        ],
    ),
    Case(
        "istio-authz-allow-all",
        "every path",
        lambda: mesh({"callers": {"spec.rules.1.to.0.operation.paths": ["/health", "*"]}}),
        [
            (
                "spec.rules[1]: the rule lets everybody in, paths aside. Rules are alternatives, and the others "
                "ask for nothing any more.\n"
                "Mend it: say from whom (`from`), or under which condition (`when`); only single paths may be for "
                "everybody."
            ),
        ],
    ),
    Case(
        "istio-authz-allow-all",
        "an empty source",
        lambda: mesh({"callers": {"spec.rules.0.from": [{"source": {}}]}}),
        [
            (
                "spec.rules[0]: the rule lets everybody in. Rules are alternatives, and the others ask for nothing "
                "any more.\n"
                "Mend it: say from whom (`from`), or under which condition (`when`); only single paths may be for "
                "everybody."
            ),
        ],
    ),
    Case(
        "istio-jwks-plain",
        "plain",
        lambda: mesh({"tokens": {"spec.jwtRules.0.jwksUri": "http://auth.exam-platform.com/jwks"}}),
        [
            (
                "spec.jwtRules[0].jwksUri: the keys come from `http://auth.exam-platform.com/jwks` in plain text. "
                "Who is on the way puts his own there, and signs tokens for anybody.\n"
                "Mend it: fetch them by https, or write them out as `jwks`."
            ),
        ],
    ),
    Case(
        "istio-jwt-audience",
        "anybody's",
        lambda: mesh({"tokens": {"spec.jwtRules.0.audiences": ABSENT}}),
        [
            (
                "spec.jwtRules[0]: tokens of `https://auth.exam-platform.com` are taken whoever they are for. One "
                "that was given to another service opens this one.\n"
                "Mend it: name this platform's `audiences`."
            ),
        ],
    ),
    Case(
        "istio-gateway-wildcard",
        "every host",
        lambda: mesh({"gateway": {"spec.servers.0.hosts": ["istio-ingress/*"]}}),
        [
            (
                "spec.servers[0].hosts[0]: `istio-ingress/*` is open for every host. Requests for names that "
                "nobody declared are let in.\n"
                "Mend it: name the hosts."
            ),
        ],
    ),
    Case(
        "istio-gateway-wildcard",
        "between networks",
        lambda: mesh({"between": {"spec.servers.0.hosts": ["*"]}}),
        [
            (
                "spec.servers[0].hosts[0]: `*` is open for every host. Between networks only services of the mesh "
                "have a way in.\n"
                "Mend it: write `*.local`."
            ),
        ],
    ),
    Case(
        "istio-gateway-wildcard",
        "a public name between networks",
        lambda: mesh({"between": {"spec.servers.0.hosts": ["exam-platform.com"]}}),
        [
            (
                "spec.servers[0].hosts[0]: `exam-platform.com` is passed on by its name alone. Between networks "
                "only services of the mesh have a way in.\n"
                "Mend it: write `*.local`."
            ),
        ],
    ),
    Case(
        "istio-virtualservice-wildcard",
        "every host",
        lambda: mesh({"routes": {"spec.hosts": ["*"]}}),
        [
            (
                "spec.hosts[0]: `*` takes requests of every host. Those of other teams are among them.\n"
                "Mend it: name the hosts."
            ),
        ],
    ),
    Case(
        "istio-gateway-tls-version",
        "1.0",
        lambda: mesh({"gateway": {"spec.servers.0.tls.minProtocolVersion": "TLSV1_0"}}),
        [
            (
                "spec.servers[0].tls.minProtocolVersion: TLS 1.0 is still taken. Who can make a client fall back "
                "to it reads its requests.\n"
                "Mend it: write TLSV1_2, or leave it out."
            ),
        ],
    ),
    Case(
        "istio-gateway-plain-http",
        "no redirect",
        lambda: mesh({"gateway": {"spec.servers.1.tls": ABSENT}}),
        [
            (
                "spec.servers[1]: port 80 takes plain HTTP. Passwords and tokens cross the Internet as they are.\n"
                "Mend it: add `tls: {httpsRedirect: true}`, and serve the hosts by HTTPS."
            ),
        ],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_policy_finds(case: Case) -> None:
    check(case)
