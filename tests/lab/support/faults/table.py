"""The faults, with every finding of each."""

from __future__ import annotations

import re
from datetime import timedelta

from tests.lab.support.doctor import scaled, stopped
from tests.lab.support.faults import USE1, USW2, Expected, Fault, both, making
from tests.lab.support.faults.making import EAST_WEST
from tests.lab.support.site import EXAM, ISTIOD, PUBLIC, SYSTEM

QUICK: tuple[Fault, ...] = (
    Fault(
        "a hanging istiod",
        lambda lab: stopped(lab[USW2].kubectl, SYSTEM, "app=istiod", "pilot-discovery"),
        [Expected("istiod-silent", USW2, rf"{ISTIOD}-\S+ is (said to be ready and does not answer.*|not ready)")],
    ),
    Fault(
        "no remote secret",
        making.without_remote_secret,
        [Expected("remote-missing", USE1, r"istiod knows no cluster usw2: .*")],
    ),
    Fault(
        "a pod without a proxy",
        making.pod_without_proxy,
        [
            Expected(
                "pod-without-proxy", USE1, r"bare-\S+ runs without a proxy, though its namespace faulty is injected"
            )
        ],
    ),
    Fault(
        "an east-west gateway without an address",
        making.without_address,
        [Expected("gateway-address", USW2, r"The east-west gateway has no address: .*")],
    ),
    Fault(
        "an east-west gateway without a pod",
        lambda lab: scaled(lab[USW2].kubectl, SYSTEM, EAST_WEST),
        [Expected("gateway-endpoints", USW2, r"The east-west gateway has no pod")],
    ),
    Fault(
        "a wrong network label",
        making.network,
        [
            Expected(
                "network-label", USW2, r"The namespace istio-system says network `elsewhere`, and the stack says `usw2`"
            )
        ],
    ),
    Fault(
        "a firewall between regions",
        making.closed_way,
        [
            Expected(
                "way-closed", USE1, r"A request from the gateway of use1 to that of usw2 at \S+:15443 got no answer: .*"
            )
        ],
    ),
    Fault(
        "a public certificate of a clock that is ahead",
        lambda lab: making.foreign_public_certificate(lab, ahead=timedelta(minutes=10)),
        [
            Expected(
                "certificate-early",
                USE1,
                rf"A certificate that {re.escape(PUBLIC)} shows becomes valid only in \d+ min",
            )
        ],
    ),
    Fault(
        "a public certificate of somebody else",
        making.foreign_public_certificate,
        [Expected("ingress-refused", USE1, rf"The certificate of {re.escape(PUBLIC)} is not accepted \(.*\)")],
    ),
    Fault(
        "two rules for one host",
        making.second_rule,
        [
            Expected(
                "rules-conflict", USE1, r"There are 2 DestinationRules for exam-service\.exam\.\S+: .* and exam/mine"
            )
        ],
    ),
    Fault(
        "permissive mutual TLS",
        making.permissive,
        [Expected("mutual-tls", USE1, r"PERMISSIVE is said of mutual TLS in the whole mesh, .*")],
    ),
    Fault(
        "a webhook that trusts somebody else",
        lambda lab: making.leftover_webhook(lab, bundle=making.foreign_bundle()),
        [
            Expected(
                "webhook-authority", USE1, r"The webhook istio-sidecar-injector-leftover trusts another authority .*"
            )
        ],
    ),
    Fault(
        "a webhook that leads nowhere",
        lambda lab: making.leftover_webhook(lab, service="istiod-1-30"),
        [
            Expected(
                "webhook-service", USE1, r"The webhook \S+-leftover leads to the Service istio-system/istiod-1-30, .*"
            )
        ],
    ),
    Fault(
        "a webhook that lets pass",
        making.lets_pass,
        [
            Expected(
                "webhook-policy", USE1, r"The webhook istio-sidecar-injector-1-31 lets pass .* \(failurePolicy Ignore\)"
            )
        ],
    ),
    Fault(
        "a service without pods",
        lambda lab: scaled(lab[USW2].kubectl, EXAM, "archive-service"),
        [Expected("service-endpoints", USW2, r"exam/archive-service has no pod in usw2 that is ready")],
    ),
    Fault(
        "a refused configuration",
        making.refused_configuration,
        [
            Expected(
                "proxy-rejects", USE1, r"The proxy of undeclared/frontend refused the listeners that istiod told it"
            ),
            Expected("analysis-ist0133", USE1, r"EnvoyFilter undeclared/nobody-has-this: .*"),
        ],
    ),
    Fault(
        "a host without a service",
        making.route_to_nobody,
        [Expected("analysis-ist0101", USE1, r"VirtualService undeclared/lost: Referenced .* not found: .*")],
    ),
)
"""Undone within seconds."""

TRAFFIC: tuple[Fault, ...] = (
    Fault(
        "a slow service",
        lambda lab: making.behaving(lab, "target", "resilience", rate=30, delay="1500ms"),
        [
            Expected(
                "latency-server",
                USE1,
                r"resilience/target is slow itself, .*: (p99 up to 2500|mean 1\d{3}) ms of .*",
            )
        ],
    ),
    Fault(
        "an open circuit breaker",
        lambda lab: making.behaving(lab, "narrow", "traffic", rate=60, delay="200ms"),
        [
            Expected(
                "breaker-open",
                USE1,
                r"The circuit breaker of traffic/frontend to narrow\.traffic\.\S+ is open: [1-9]\d* requests .*",
            )
        ],
    ),
    Fault(
        "an ejected endpoint",
        lambda lab: making.behaving(lab, "pair", "resilience", rate=30, version="a", status=503),
        [
            Expected(
                "endpoint-ejected", USE1, r"resilience/caller leaves out \d of \d endpoints of pair\.\S+, which failed"
            )
        ],
    ),
    Fault(
        "requests that are sent again and again",
        lambda lab: making.behaving(lab, "terms", "traffic", rate=40, path="/read/this", status=503),
        [Expected("retries", USE1, r"traffic/frontend retried \d+ of \d+ requests to terms\.traffic\.\S+ .*")],
    ),
)
"""What only requests show."""

STRICT: tuple[Fault, ...] = (
    Fault(
        "configuration above a strict threshold",
        making.nothing,
        both("configuration-size", r"The proxy of \S+ knows \d+ clusters, above 50: .*"),
        thresholds={"configuration": 50},
    ),
    Fault(
        "a queue above a strict threshold",
        making.changing,
        both("istiod-queue", r"Proxies wait for their turn at istiod-\S+, above 1ms: p99 up to \d+ ms of \d+ pushes"),
        thresholds={"queue": "1ms"},
    ),
    Fault(
        "intermediates that end within a strict threshold",
        making.nothing,
        both("authority-ends", r"The intermediate of \S+ ends on .*"),
        thresholds={"authority": "1000d"},
    ),
    Fault(
        "memory above a strict threshold",
        making.nothing,
        both("proxy-memory", r"The proxy of \S+ uses \d+ of \d+ MiB: .*"),
        also=frozenset({"istiod-memory"}),
        thresholds={"memory": 10},
    ),
)
"""A healthy mesh, judged by a team that wants more: the numbers of each check, from real proxies."""

LONG: tuple[Fault, ...] = (
    Fault(
        "no istiod",
        lambda lab: scaled(lab[USW2].kubectl, SYSTEM, ISTIOD),
        [Expected("istiod-missing", USW2, r"There is no pod of istiod")],
    ),
    Fault(
        "a remote token that is no longer valid",
        making.ended_token,
        [
            Expected(
                "remote-unsynced",
                USE1,
                r"istiod does not read the cluster usw2 \(.*\): its API server refuses the token \(401\)",
            )
        ],
    ),
    Fault(
        "a remote token that was revoked",
        making.revoked_token,
        [
            Expected(
                "remote-refused",
                USE1,
                r"istiod has read the cluster usw2, and is refused since: the token is no longer valid \(401\)",
            )
        ],
    ),
    Fault(
        "a proxy out of memory",
        lambda lab: making.small_proxy(lab, "32Mi", starts=False),
        [Expected("proxy-killed", USE1, r"The proxy of faulty/small was killed at its memory limit of 32 MiB, at .*")],
    ),
    Fault(
        "a proxy near its memory limit",
        lambda lab: making.small_proxy(lab, "128Mi", starts=True),
        [Expected("proxy-memory", USE1, r"The proxy of faulty/small uses \d+ of 128 MiB: .*")],
        thresholds={"memory": 50},
    ),
    Fault(
        "a public host without a route",
        making.unrouted_host,
        [Expected("host-unrouted", USE1, rf"The stack says that {re.escape(PUBLIC)} leads to \S+, and no .*")],
    ),
    Fault(
        "no cacerts",
        lambda lab: making.other_authority(lab, missing=True),
        [Expected("root-own", USW2, r"istiod made a root of its own: it started without the Secret cacerts")],
        also=frozenset({"proxy-cut-off", "remote-unsynced"}),
    ),
    Fault(
        "a foreign root",
        lambda lab: making.other_authority(lab, missing=False),
        [Expected("root-foreign", USW2, r"Workloads trust the root `O=Somebody`, which is none of the stack's")],
        also=frozenset({"proxy-cut-off", "remote-unsynced"}),
    ),
    Fault(
        "a silent region",
        making.api_server_stopped,
        [Expected("region-silent", USW2, r"The API server of usw2 does not answer \(.*\)")],
    ),
)
"""A minute and more each, with what restarts."""
