"""What may be wrong with `istio-mesh:trust`, but for provided roots.

Each case is a change of the minimal valid stack and every fault that it must show, word by word.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.builders import ABSENT, authority, faults_of

_ROOT = authority()


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "trust missing",
        {"trust": ABSENT},
        [
            (
                "istio-mesh:trust: it is missing. Who trusts whom: without it there is no mesh. Add it to the "
                "stack's file; Pulumi.local.yaml shows how."
            ),
        ],
    ),
    (
        "trust domain missing",
        {"trust": {}},
        [
            (
                "istio-mesh:trust.trustDomain: it is missing. It has no default. Authority of every workload's "
                "identity: `spiffe://<trustDomain>/ns/<namespace>/sa/<account>`. Add it, as in `trustDomain: "
                "exam-platform.local`."
            ),
        ],
    ),
    (
        "trust domain with a space",
        {"trust.trustDomain": "Exam Platform"},
        [
            (
                "istio-mesh:trust.trustDomain: `Exam Platform` is not a trust domain. It is the authority of "
                "every workload's SPIFFE identity, and a receiver would refuse all of them. Use lower-case "
                "letters, digits, dots, hyphens and underscores, as in `exam-platform.local`."
            ),
        ],
    ),
    (
        "snake case",
        {"trust.trust_domain": "exam-platform.local"},
        [
            (
                "istio-mesh:trust.trust_domain: there is no key `trust_domain`. It would be ignored, and the "
                "stack would not be what its file says. Did you mean `trustDomain`?"
            ),
        ],
    ),
    (
        "both roots",
        {"trust.root": {"generated": {}, "provided": {"certificate": _ROOT.certificate, "intermediates": {}}}},
        [
            (
                "istio-mesh:trust.root: exactly one of `generated`, `provided`, `privateCa` is needed, and "
                "`generated`, `provided` are given. The clusters would not know which root to trust. Write "
                "`generated: {}` for a root of the stack's own, `provided` for an offline one, or `privateCa` for one "
                "of AWS."
            ),
        ],
    ),
    (
        "no root",
        {"trust.root": {}},
        [
            (
                "istio-mesh:trust.root: exactly one of `generated`, `provided`, `privateCa` is needed, and none of "
                "them is given. The clusters would not know which root to trust. Write `generated: {}` for a root of "
                "the stack's own, `provided` for an offline one, or `privateCa` for one of AWS."
            ),
        ],
    ),
    (
        "years",
        {"trust.intermediates": {"lifetime": "2y"}},
        [
            (
                "istio-mesh:trust.intermediates.lifetime: `2y` is not a length of time. Without a unit seconds "
                "and days look alike. Write whole numbers with units from d, h, m, s, as in `24h`, `730d` or "
                "`1h30m`."
            ),
        ],
    ),
    (
        "no time at all",
        {"trust.intermediates": {"lifetime": "0d"}},
        [
            (
                "istio-mesh:trust.intermediates.lifetime: a length of time of zero. It would be over before it "
                "began. Write one above zero."
            ),
        ],
    ),
    (
        "time without end",
        {"trust.root": {"generated": {"lifetime": "36500000d"}}},
        [
            (
                "istio-mesh:trust.root.generated.lifetime: `36500000d` is more than a hundred years. Nothing should be "
                "trusted for so long, and its end may be no date at all. Write at most `36500d`."
            ),
        ],
    ),
    (
        "time without unit",
        {"trust.intermediates": {"lifetime": 730}},
        [
            (
                "istio-mesh:trust.intermediates.lifetime: the number 730 is not a length of time. Without a "
                "unit seconds and days look alike. Write whole numbers with units from d, h, m, s, as in `24h`, "
                "`730d` or `1h30m`."
            ),
        ],
    ),
    (
        "intermediates as long as the root",
        {"trust.intermediates": {"lifetime": "3650d"}},
        [
            (
                "istio-mesh:trust.intermediates.lifetime: the intermediates' lifetime (3650d) is not shorter "
                "than the root's (3650d). They would outlive the root, and their chains be refused while they "
                "look valid. Shorten it or lengthen `root.generated.lifetime`."
            ),
        ],
    ),
    (
        "workloads as long as intermediates",
        {"trust.workloadCertificates": {"maxLifetime": "730d"}},
        [
            (
                "istio-mesh:trust.workloadCertificates.maxLifetime: workload certificates may live for 730d, "
                "the intermediates for 730d. A workload's certificate would outlive its signer, and be refused "
                "while it looks valid. Lower `workloadCertificates.maxLifetime` or lengthen "
                "`intermediates.lifetime`."
            ),
        ],
    ),
    (
        "request above the maximum",
        {"trust.workloadCertificates": {"lifetime": "25h"}},
        [
            (
                "istio-mesh:trust.workloadCertificates.lifetime: lifetime (25h) is above maxLifetime (24h). "
                "istiod refuses every request above its maximum, and no workload would get a certificate. Lower "
                "`lifetime` or raise `maxLifetime`."
            ),
        ],
    ),
    (
        "workloads below a minute",
        {"trust.workloadCertificates": {"lifetime": "59s"}},
        [
            (
                "istio-mesh:trust.workloadCertificates.lifetime: lifetime (59s) is below a minute. Certificates "
                "would end before they arrive everywhere. Write at least `1m`."
            ),
        ],
    ),
    (
        "warning all the time",
        {"trust.intermediates": {"warnBefore": "730d"}},
        [
            (
                "istio-mesh:trust.intermediates.warnBefore: warnBefore (730d) is not shorter than the lifetime "
                "(730d). Every run would warn, from the first day on. Shorten `warnBefore` or lengthen "
                "`lifetime`."
            ),
        ],
    ),
    (
        "generation zero",
        {"trust.remoteTokens": {"generation": 0}},
        [
            (
                "istio-mesh:trust.remoteTokens.generation: 0 is below 1. It is out of the range that makes "
                "sense. Write a number that is not below 1."
            ),
        ],
    ),
    (
        "generation in words",
        {"trust.remoteTokens": {"generation": "two"}},
        [
            (
                "istio-mesh:trust.remoteTokens.generation: it is a text, not a whole number. Nothing can be "
                "made of it. Write a whole number, as in `2`."
            ),
        ],
    ),
    (
        "half a generation",
        {"trust.remoteTokens": {"generation": 1.5}},
        [
            (
                "istio-mesh:trust.remoteTokens.generation: it is the number 1.5, not a whole number. Nothing "
                "can be made of it. Write a whole number, as in `2`."
            ),
        ],
    ),
]


@pytest.mark.parametrize(("changes", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, changes: dict[str, Any], faults: list[str]
) -> None:
    assert faults_of(tmp_path, changes) == faults
