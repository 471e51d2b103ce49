"""How often each policy judged, as it is read from what the pack says."""

from __future__ import annotations

import io

from rich.console import Console

from policies.verdicts import REPORT
from previews.judged import Judged, judged, without_counts
from previews.terminal import show_findings
from tests.policies import support
from tests.policies.compliant import object_
from tests.previews.recordings import report

ACCOUNT = (
    "4 policies judged 9 times; 2 times not judged; 1 findings refused, 0 warned, 1 exempted.\n"
    "Exempted:\n"
    "- aws-tags on vpc: 3 judged, it says (me, until 2027-01-01)\n"
    "Judged:\n"
    "- aws-tags: 4 judged, 1 exempted\n"
    "- istio-mtls-strict: 0 judged, 2 not judged\n"
    "- kubernetes-host: 3 judged, 1 found\n"
    "- stack-roots: 2 judged"
)


def test_counts_are_read_by_policy() -> None:
    assert judged(ACCOUNT) == (
        Judged("aws-tags", 4, exempted=1),
        Judged("istio-mtls-strict", 0, unjudged=2),
        Judged("kubernetes-host", 3, found=1),
        Judged("stack-roots", 2),
    )
    assert without_counts(ACCOUNT) == ACCOUNT.partition("\nJudged:")[0]


def test_what_the_pack_writes_is_read_whole() -> None:
    """The pack itself is asked, so that the two cannot part."""
    verdicts, judgement = support.judged(
        [object_("strict", {"spec.mtls.mode": support.UNKNOWN}), object_("exam", {"metadata.labels": {}})]
    )
    (account,) = (verdict.message for verdict in verdicts if verdict.policy == REPORT)
    assert {each.policy: (each.judged, each.unjudged, each.found, each.exempted) for each in judged(account)} == {
        name: (tally.judged, len(tally.unjudged), tally.found, tally.exempted)
        for name, tally in judgement.tallies.items()
    }
    assert any(each.unjudged for each in judged(account))
    assert any(each.found for each in judged(account))


def test_a_pack_that_counts_nothing_has_no_counts() -> None:
    assert judged("") == ()
    assert judged("All is well.") == ()
    assert judged(report("refused").account) == ()


def test_a_recorded_previews_counts_add_up_to_its_sentence() -> None:
    found = report("refused-by-our-pack")
    counts = judged(found.account)
    assert f"{len(counts)} policies judged {sum(each.judged for each in counts)} times" in found.account
    assert sum(each.found for each in counts) == len(found.mandatory) + len(found.advisory)


def _shown(*, everything: bool) -> list[str]:
    text = io.StringIO()
    console = Console(file=text, width=200, color_system=None)
    show_findings(report("refused-by-our-pack"), console, everything=everything, counted=True)
    return [" ".join(line.split()) for line in text.getvalue().splitlines()]


def test_a_person_sees_the_remarkable_policies_and_how_many_there_are_besides() -> None:
    lines = _shown(everything=False)
    head = lines.index("policy judged not judged found exempted")
    counts = judged(report("refused-by-our-pack").account)
    remarkable = [each.policy for each in counts if each.remarkable]
    assert 0 < len(remarkable) < len(counts)
    assert [row.split()[0] for row in lines[head + 1 : head + 1 + len(remarkable)]] == remarkable
    (plain,) = (each for each in counts if each.policy == "kubernetes-plain-secret")
    assert plain.unjudged == 1
    assert " ".join(filter(None, (plain.policy, str(plain.judged or ""), "1"))) in lines
    rest = len(counts) - len(remarkable)
    assert lines[-2] == f"{rest} more policies judged all that they are about: ALL=1 lists them."


def test_all_of_them_are_listed_where_everything_is_asked_for() -> None:
    lines = _shown(everything=True)
    rows = lines[lines.index("policy judged not judged found exempted") + 1 : -1]
    assert [row.split()[0] for row in rows] == [each.policy for each in judged(report("refused-by-our-pack").account)]
