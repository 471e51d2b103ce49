"""The rules of a rotation, over any way through it: each text that istiod is given is a part of the one before."""

from itertools import pairwise

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from components.config.rotation import NONE, STAGES
from components.trust import certificates
from components.trust.rotation import Trust, cuts_off, is_step, marked, reissues
from tests.builders import authority

PAIRS = [authority(f"Root {number}").certificate for number in range(1, 6)]
PARSED = [x509.load_pem_x509_certificate(pem.encode()) for pem in PAIRS]
ORDER = (NONE, "trust-both", "sign-new", "drop-old")


def text(rotation: int, phase: str, reissue: int) -> str:
    """What istiod is given in a phase of the rotation from one root to the next."""
    stage = STAGES[phase]
    bundle = certificates.bundle(PAIRS[rotation + place] for place in stage.trusts)
    return marked(bundle, reissues(phase, stage, reissue))


def trust(rotation: int, phase: str) -> Trust:
    stage = STAGES[phase]
    return Trust(tuple(PARSED[rotation + place] for place in stage.trusts), PARSED[rotation + stage.signs])


Walk = list[tuple[bool, int]]
WALKS = st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=12)
"""Forward or back, and how often certificates are asked for again in the phase that it leads to."""


def places(walk: Walk) -> list[tuple[int, str, int]]:
    """Rotation, phase and reissue at each place of a walk; the end of a rotation is the beginning of the next."""
    found = [(0, NONE, 0)]
    step = 0
    for forward, reissue in walk:
        step = min(max(step + (1 if forward else -1), 0), 3 * (len(PAIRS) - 1))
        rotation, place = divmod(step, 3)
        if place == 0 and forward and rotation:
            found.append((rotation - 1, "drop-old", reissue))
        found.append((rotation, ORDER[place], reissue))
    return found


@given(WALKS)
def test_each_text_is_a_part_of_the_one_before_or_the_reverse(walk: Walk) -> None:
    """Istio up to 1.30 compares bytes, and ignores any other change without a fault that anybody would see."""
    texts = [text(*place) for place in places(walk)]
    for before, after in pairwise(texts):
        assert before in after or after in before


@given(WALKS)
def test_every_step_of_a_walk_is_one(walk: Walk) -> None:
    trusts = [trust(rotation, phase) for rotation, phase, _ in places(walk)]
    for before, after in pairwise(trusts):
        assert is_step(before, after)
        assert after.signer in after.roots
        assert before.signer in after.roots, "what was signed until now is trusted on"


@given(st.integers(0, 20), st.integers(0, 20))
def test_another_signer_is_another_text_whatever_was_reissued(before: int, after: int) -> None:
    """Or agents would be told nothing, and go on with certificates of the former one."""
    assert text(0, "trust-both", before) != text(0, "sign-new", after)


def test_comments_are_no_certificates_and_only_while_two_roots_are_trusted() -> None:
    both = certificates.bundle(PAIRS[:2])
    assert text(0, "sign-new", 1) == f"{both}# reissue 1\n# reissue 2\n# reissue 3\n"
    assert x509.load_pem_x509_certificates(text(0, "sign-new", 1).encode()) == PARSED[:2]
    assert text(0, NONE, 3) == PAIRS[0]
    assert text(0, "drop-old", 3) == PAIRS[1], "its end must not tell clusters anything more"


@pytest.mark.parametrize(
    ("before", "wanted", "asks"),
    [
        (NONE, "trust-both", False),
        ("trust-both", "sign-new", True),
        ("sign-new", "drop-old", True),
        ("trust-both", NONE, True),
        ("sign-new", "trust-both", True),
        ("drop-old", "sign-new", False),
    ],
)
def test_proxies_are_asked_where_one_could_be_cut_off(before: str, wanted: str, asks: bool) -> None:
    assert cuts_off(trust(0, before), trust(0, wanted)) == asks
