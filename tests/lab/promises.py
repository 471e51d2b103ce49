"""What is promised to work: each of these rows has at least one proof here, or `make prove` ends non-zero."""

import os

PROMISED = (
    "A4",  # existing clusters, and what `pulumi up`, `preview` and `destroy` make of them
    "A6",  # staging and prod as their files say them
    "B1",  # shared root, one intermediate per cluster
    "B2",  # workload certificates that rotate by themselves
    "B3",  # remote secrets
    "C1",  # Istio by Helm, CNI when asked
    "C2",  # sizes
    "C3",  # multi-primary on different networks
    "C7",  # three or more regions
    "D1",  # ingress
    "D2",  # east-west gateway
    "E1",  # routes by header, prefix and weight
    "E2",  # canary
    "E3",  # blue-green
    "E4",  # pools, balancing, settings of ports
    "E5",  # time-outs, retries, faults, mirrors, affinity
    "E6",  # egress
    "F1",  # mutual TLS everywhere
    "F2",  # tokens
    "F3",  # roles
    "F4",  # default deny, callers
    "F5",  # secrets stay secret
    "G1",  # metric tags
    "G2",  # traces
    "G3",  # access logs
    "G4",  # dashboards and alerts
    "H1",  # Wasm
    "H2",  # limits of rates and sizes
    "I1",  # endpoints that fail are left alone
    "I2",  # failover and distribution between regions
    "K1",  # outputs as a contract
    "J1",  # a policy pack that judges what is known of a first preview
    "J2",  # previews that a policy pack judges
    "L1",  # what is wrong with a mesh
    "L2",  # what is wrong with its performance
)

PROMISED_IN_FULL = (
    "B4:long",  # another root, phase by phase, and taken back half-way
    "C4:long",  # primary-remote
    "C5:long",  # another minor of Istio, step by step, and back
    "I3:long",  # a region whose link, API server or node is gone
    "C7:long",  # three regions running; the quick proof of its row previews them
)
"""Promised besides with FULL=1, each by a long proof: what takes minutes, since the lab's mesh is taken away for
another one."""


def in_full() -> bool:
    """Whether the long proofs are asked for: FULL=1 in the environment."""
    return os.environ.get("FULL", "0") not in ("", "0")


def promised(*, full: bool) -> tuple[str, ...]:
    """The rows that a whole run has to prove."""
    return (*PROMISED, *PROMISED_IN_FULL) if full else PROMISED
