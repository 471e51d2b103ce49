"""What may be wrong with a rotation of the root: each fault word by word."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from components.config.loading import check
from tests.builders import Pair, Yaml, authority, faults_of, intermediate, provided, stack

FIRST, SECOND = authority("Root 1"), authority("Root 2")
AT = "istio-mesh:trust.rotation"


def root(of: Pair, **changes: Any) -> Yaml:
    return provided(of, **{name: intermediate(name, of, **changes) for name in ("use1", "usw2")})["root"]


def trust(present: Yaml, **rotation: Any) -> Yaml:
    return {"trustDomain": "exam-platform.local", "root": present, "rotation": {"phase": "trust-both", **rotation}}


GENERATED: Yaml = {"generated": {"generation": 2}}

CASES: list[tuple[str, Yaml, list[str]]] = [
    (
        "another phase",
        trust({"generated": {}}, phase="both"),
        [f"{AT}.phase: it is `both`. Only these are known: `trust-both`, `sign-new`, `drop-old`. Take one."],
    ),
    (
        "no phase",
        {"trustDomain": "exam-platform.local", "rotation": {}},
        [
            f"{AT}.phase: it is missing. It has no default. `trust-both`: workloads trust both roots; `sign-new`: the "
            "next one signs; `drop-old`: it alone is trusted. Add it."
        ],
    ),
    (
        "no next root",
        trust(root(FIRST)),
        [
            f"{AT}.next: there is no next root. Only a root that the stack makes has a next one by itself. Write the "
            "next root here as it will stand in `trust.root` afterwards."
        ],
    ),
    (
        "the same generation",
        trust(GENERATED, next={"generated": {"generation": 2}}),
        [
            f"{AT}.next.generated.generation: generation 2 is not above 2, the present root's. Both would be one root, "
            "and nothing would be rotated. Write 3, or leave `next` out."
        ],
    ),
    (
        "the same root",
        trust(root(FIRST), next=root(FIRST)),
        [
            f"{AT}.next.provided.certificate: this is the present root. Nothing would be rotated. Give the certificate "
            "of another root."
        ],
    ),
    (
        "a root of the same name",
        trust(root(FIRST), next=root(authority("Root 1", lifetime=timedelta(days=3000)))),
        [
            f"{AT}.next.provided.certificate: it has the name of the present root. Whoever verifies a chain looks for "
            "its root by name, and may try the other one's key. Make a root with a name of its own, as in "
            "`CN=Root CA 2`."
        ],
    ),
    (
        "an intermediate missing",
        trust(root(FIRST), next=provided(SECOND, use1=intermediate("use1", SECOND))["root"]),
        [
            f"{AT}.next.provided.intermediates: there is no intermediate for the cluster `usw2`. istiod there would "
            "sign with a root of its own, which no other cluster trusts. Add `usw2: {certificate: ..., privateKey: "
            "...}`."
        ],
    ),
    (
        "an intermediate of the present root",
        trust(
            root(FIRST),
            next=provided(SECOND, use1=intermediate("use1", FIRST), usw2=intermediate("usw2", SECOND))["root"],
        ),
        [
            f"{AT}.next.provided.intermediates.use1.certificate: the certificate is not signed by the given root. The "
            "other clusters' workloads would refuse every connection from this one. Give the root that signed it, or "
            "have it signed by this one."
        ],
    ),
    (
        "a next root as short as its intermediates",
        trust({"generated": {}}, next={"generated": {"generation": 2, "lifetime": "730d"}}),
        [
            "istio-mesh:trust.intermediates.lifetime: the intermediates' lifetime (730d) is not shorter than the "
            "root's (730d). They would outlive the root, and their chains be refused while they look valid. Shorten it "
            "or lengthen `rotation.next.generated.lifetime`."
        ],
    ),
    (
        "fewer than no reissue",
        trust({"generated": {}}, reissue=-1),
        [f"{AT}.reissue: -1 is below 0. It is out of the range that makes sense. Write a number that is not below 0."],
    ),
]


@pytest.mark.parametrize(("trust", "faults"), [pytest.param(t, f, id=i) for i, t, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(tmp_path: Path, trust: Yaml, faults: list[str]) -> None:
    assert faults_of(tmp_path, {"trust": trust}) == faults


def test_intermediates_have_settings_while_one_of_both_roots_is_the_stacks_own(tmp_path: Path) -> None:
    generation = {"intermediates": {"generation": 2}}
    assert faults_of(tmp_path, {"trust": {**trust({"generated": {}}, next=root(SECOND)), **generation}}) == []
    assert faults_of(tmp_path, {"trust": {**trust(root(FIRST), next={"generated": {}}), **generation}}) == []
    assert len(faults_of(tmp_path, {"trust": {**trust(root(FIRST), next=root(SECOND)), **generation}})) == 1


def test_the_next_generated_root_is_the_next_number_with_the_same_lifetime(tmp_path: Path) -> None:
    present = {"generated": {"generation": 4, "lifetime": "3000d"}}
    config, faults = check(stack(tmp_path, trust=trust(present)))
    assert faults == []
    assert config is not None
    numbers = [
        (each.generated.generation, str(each.generated.lifetime)) for each in config.trust.roots if each.generated
    ]
    assert numbers == [(4, "3000d"), (5, "3000d")]


def test_a_key_of_the_next_root_in_plain_text_is_not_shown(tmp_path: Path) -> None:
    config, _ = check(stack(tmp_path, trust=trust(root(FIRST), next=root(SECOND))))
    assert "PRIVATE KEY" not in repr(config)
