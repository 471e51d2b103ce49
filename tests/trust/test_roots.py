"""The roots of a mesh grow and shrink, and are never swapped."""

import pulumi
import pytest
from pulumi.output import Unknown
from pulumi.runtime import rpc

from components.trust import certificates
from components.trust.roots import RootBundle, _RootBundleProvider  # pyright: ignore[reportPrivateUsage]
from tests import mocks
from tests.builders import authority

FIRST, SECOND, THIRD = (authority(f"Root {number}").certificate for number in (1, 2, 3))
PROVIDER = _RootBundleProvider()


def reasons(before: list[str], wanted: list[str]) -> list[str]:
    olds, news = ({"bundle": certificates.bundle(roots)} for roots in (before, wanted))
    return [failure.reason for failure in PROVIDER.check(olds, news).failures]


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ([FIRST], [SECOND]),
        ([FIRST], [SECOND, THIRD]),
        ([FIRST, SECOND], [SECOND, FIRST]),
        ([FIRST, SECOND], [SECOND, THIRD]),
        ([FIRST, SECOND], [FIRST, THIRD, SECOND]),
    ],
    ids=["another", "others", "another order", "one swapped", "one between"],
)
def test_a_swap_is_refused_with_what_it_would_do(before: list[str], wanted: list[str]) -> None:
    assert reasons(before, wanted) == [
        "istio-mesh:trust.root: the mesh trusts another root than this. The clusters would take the new one after each "
        "other, and meanwhile refuse each other's requests; the key of a generated root would be lost. Write the "
        "former root again; for a mesh with another root run `pulumi destroy` before `pulumi up`, which takes the mesh "
        "away in between."
    ]


@pytest.mark.parametrize(
    ("before", "wanted"),
    [([FIRST], [FIRST]), ([FIRST], [FIRST, SECOND]), ([FIRST, SECOND], [SECOND]), ([FIRST, SECOND], [FIRST])],
    ids=["the same", "one more", "the former one gone", "back again"],
)
def test_a_rotations_steps_are_taken(before: list[str], wanted: list[str]) -> None:
    assert reasons(before, wanted) == []


def test_the_same_roots_with_other_line_ends_are_no_swap() -> None:
    assert PROVIDER.check({"bundle": FIRST}, {"bundle": FIRST.replace("\n", "\r\n")}).failures == []


def test_a_first_up_and_a_preview_that_knows_no_root_pass() -> None:
    assert PROVIDER.check({}, {"bundle": FIRST}).failures == []
    for unknown in (rpc.UNKNOWN, Unknown(), None):
        assert PROVIDER.check({"bundle": FIRST}, {"bundle": unknown}).failures == []
        assert PROVIDER.check({"bundle": unknown}, {"bundle": FIRST}).failures == []
        assert PROVIDER.diff("roots", {"bundle": FIRST}, {"bundle": unknown}).changes


def test_the_same_bundle_is_no_change_and_another_one_is_taken_over() -> None:
    same, more = {"bundle": FIRST}, {"bundle": FIRST + SECOND}
    assert not PROVIDER.diff("roots", same, same).changes
    assert PROVIDER.diff("roots", same, more).changes
    assert PROVIDER.update("roots", same, more).outs == more


def test_a_bundle_comes_out_as_it_went_in() -> None:
    def program() -> None:
        pulumi.export("roots", RootBundle("roots", bundle=FIRST + SECOND).bundle)

    assert mocks.run(program).outputs == {"roots": FIRST + SECOND}
