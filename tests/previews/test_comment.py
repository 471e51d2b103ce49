"""The comment of a pull request: what it shows, in which order, and that it always fits."""

# Lines of Markdown are as long as they are.
# ruff: noqa: E501

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from previews.changes import Change, Difference, Kind
from previews.clusters import Unreached
from previews.comment import DIFFERENCES, LIMIT, comment, drift, marker
from previews.costs import Costs, Row
from previews.fitting import Section, fitted
from previews.markdown import code, prose, shortened
from previews.report import Finding, Message, Report, Verdict
from tests.previews.recordings import NAMES, SECRETS, report

CHANGED = """\
<!-- istio-mesh preview: prod -->
## Preview of `prod`: passed

| replace | delete | update | create | unchanged |
|---:|---:|---:|---:|---:|
| **3** | **1** | **1** | 0 | 2 |

### Replaced and deleted

| | kind | name | what differs |
|---|---|---|---|
| ± replace | `ConfigMap` | `sign` | `data.address` (replaces)<br>`data.open` (replaces) |
| ± replace | `Secret` | `till` | `data.password` (replaces) |
| ± replace | `Resource` | `shelf` | `room` (replaces) |
| - delete | `ConfigMap` | `lamp` |  |

<details><summary>Update: 1</summary>

| | kind | name | what differs |
|---|---|---|---|
| ~ update | `VirtualService` | `way-in` | `spec.http[0].route[0].weight`: `90` → `50`<br>`spec.http[0].route[1].weight`: `10` → `50` |

</details>

### Costs

| table | row | what differs |
|---|---|---|
| prod | NAT gateway of `use1` | Count: 1 → 2<br>A month: 32.85 → 65.70 |
| prod | Key | gone: Count 2, A month 2.00 |
| prod | Endpoint | new: A month 7.30 |

<details><summary>Not judged before the update: 1</summary>

- `own-address` on `ConfigMap` `sign`: string value at .data.address can't be known during preview

</details>

<details><summary>Warnings: 1</summary>

- `Secret` `till`: rendered YAML will contain a secret value in plaintext

</details>

<sub>One preview of `abc1234` in 2 s, by 4 policies of `shop-rules`. Values are shown of a few kinds of properties only, \
secrets never.</sub>
"""


def test_the_whole_comment_on_a_change() -> None:
    rows = (
        Row("prod", "NAT gateway of `use1`", {"Count": "1", "A month": "32.85"}, {"Count": "2", "A month": "65.70"}),
        Row("prod", "Key", {"Count": "2", "A month": "2.00"}, {}),
        Row("prod", "Endpoint", {}, {"A month": "7.30"}),
    )
    found = replace(report("changed", stack="prod"), seconds=2)
    assert comment(found, costs=Costs(True, rows), commit="abc1234") == CHANGED


def test_a_refusal_says_what_is_to_be_mended_before_all_else() -> None:
    text = comment(report("refused"))
    heads = re.findall(r"^#+ .*|<summary>[^<]*", text, re.MULTILINE)
    assert heads == [
        "## Preview of `local`: refused by the policy pack",
        "### To be mended",
        "<summary>Create: 7",
        "<summary>Advice of the pack: 1",
        "<summary>Not judged before the update: 1",
        "<summary>Warnings: 1",
    ]
    assert (
        "- `weights-of-100` on `VirtualService` `way-in`: Weights are 100 together.<br>spec.http\\[0\\].route: the "
        "weights are 90 together. A part is lost.<br>**Mend it:** make them 100.\n"
    ) in text


def test_what_others_write_has_no_effect_of_its_own() -> None:
    text = comment(report("refused"))
    assert "`always` is never true \\| customers &lt;b&gt;come&lt;/b&gt; in vain, &#64;everybody." in text


def test_a_failed_preview_is_no_refusal() -> None:
    text = comment(report("failed-program"))
    assert "## Preview of `local`: the preview failed\n" in text
    assert "This is no finding of the pack." in text
    assert "- shop:broken is set.<br>  Nothing can be sold. Take it out.\n" in text
    assert "To be mended" not in text


def test_a_failure_besides_a_refusal_is_said() -> None:
    found = replace(report("refused"), errors=(Message("", "the rest is not known"),))
    text = comment(found)
    assert "1 finding must be mended before this can be deployed. Besides, the preview failed before its end." in text
    assert "### What failed\n\n- the rest is not known\n" in text


def test_a_cluster_that_is_away_is_said_once_with_the_page_on_runners() -> None:
    text = comment(report("unreachable"))
    assert "The runner did not reach a cluster: see `docs/pull-requests.md` on where it must sit." in text
    assert text.count("failed to read resource state due to unreachable cluster") == 1


def test_a_cluster_that_did_not_answer_is_in_the_title_and_said_with_what_follows() -> None:
    away = (Unreached("use1-provider", "https://use1.example:443", "no answer within 5 s"),)
    text = comment(replace(report("unchanged"), unreached=away))
    assert "## Preview of `local`: passed, no changes, 1 cluster not reached\n" in text
    assert "- `use1-provider` at `https://use1.example:443`: no answer within 5 s\n" in text
    assert (
        "without a dry run: what somebody else changed there, and what an API server would refuse, is not seen." in text
    )


def test_a_preview_without_changes_says_so() -> None:
    assert "## Preview of `local`: passed, no changes\n" in comment(report("unchanged"))


def test_costs_that_stay_are_said_and_costs_that_nobody_compared_are_not() -> None:
    found = report("unchanged")
    assert "The cost tables do not change." in comment(found, costs=Costs(True))
    assert "Costs" not in comment(found, costs=Costs())


def test_the_packs_account_is_folded_under_its_first_line() -> None:
    account = "60 policies judged 900 times.\nExempted:\n- aws-tags on vpc: a reason (me, until 2027-01-01)"
    text = comment(replace(report("unchanged"), account=account))
    assert (
        "<details><summary>60 policies judged 900 times.</summary>\n\n- Exempted:\n"
        "- aws-tags on vpc: a reason (me, until 2027-01-01)\n\n</details>"
    ) in text


def test_of_many_differences_the_rest_is_counted() -> None:
    differences = tuple(Difference(f"p{number}", "update") for number in range(DIFFERENCES + 3))
    changes = (Change("urn:pulumi:s::p::t::one", "t", Kind.REPLACE, differences, protected=True),)
    text = comment(replace(report("unchanged"), changes=changes))
    assert "| **protected: the engine will refuse**<br>`p0`<br>" in text
    assert "`p5`<br>… and 3 more |" in text


def test_of_what_is_made_no_difference_is_listed_and_groups_come_last() -> None:
    text = comment(report("first"))
    table = text.partition("<summary>Create: 7</summary>\n\n")[2].splitlines()
    assert table[:2] == ["| | kind | name |", "|---|---|---|"]
    assert table[2] == "| + create | `ConfigMap` | `lamp` |"
    assert table[8] == "| + create | `Stack` | `shop-first` |"


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_in_any_page(name: str) -> None:
    found = report(name)
    for page in (comment(found), drift(found)):
        assert not [secret for secret in SECRETS if secret in page]
        assert not [secret for secret in SECRETS if prose(secret) in page]


def test_the_marker_is_the_first_line_and_of_one_stack() -> None:
    assert comment(report("changed")).startswith(f"{marker('local')}\n")
    assert marker("prod") != marker("prod-2")
    assert not marker("prod-2").startswith(marker("prod")), "each comment is found by its own"


def test_an_issue_on_drift_says_what_to_do() -> None:
    text = drift(report("drift"), run="https://github.example/run/1")
    assert text.startswith(f"{marker('local', 'drift')}\nThe last look found 1 resource of the stack `local` changed")
    assert "| ~ update | `Resource` | `shelf` | `replicas`: `1` → `9` |" in text
    assert "Seen by https://github.example/run/1." in text


def _large(count: int, message: str) -> Report:
    urn = "urn:pulumi:prod::istio-mesh::kubernetes:networking.istio.io/v1:VirtualService::use1-routing-service-"
    kinds = list(Kind)
    return Report(
        stack="prod",
        changes=tuple(
            Change(f"{urn}{number}", "kubernetes:x:VirtualService", kinds[number * 4 // count])
            for number in range(count)
        ),
        unchanged=0,
        mandatory=tuple(Finding("policy", f"{urn}{number}", message, "mend") for number in range(count)),
        advisory=tuple(Finding("policy", f"{urn}{number}", message) for number in range(count)),
        notes=(),
        errors=(),
        warnings=tuple(Message(f"{urn}{number}", f"{message}{number}") for number in range(count)),
        ways=(),
        account="\n".join(f"- line {number} {message}" for number in range(count)),
        policies=60,
        packs=("istio-mesh",),
        verdict=Verdict.REFUSED,
        reason="",
        seconds=1,
    )


def _counted(text: str, noun: str, item: str) -> int:
    """Items that are there, and those that are said to be cut off."""
    cut = sum(int(number) for number in re.findall(rf"… and (\d+) more {noun} that do not fit here", text))
    return len(re.findall(item, text, re.MULTILINE)) + cut


def test_a_comment_that_is_too_long_is_cut_with_counts_and_findings_are_kept() -> None:
    found = _large(1000, "x" * 200)
    text = comment(found)
    assert LIMIT - 1000 < len(text) <= LIMIT
    assert text.count("**Mend it:**") > 150
    assert _counted(text, "findings", r"^- `policy` on ") == 2000
    assert _counted(text, "changes", r"^\| \S (?:replace|delete|update|create) \| `") == 1000


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.text(max_size=400), st.integers(6_000, LIMIT))
def test_a_comment_fits_whatever_is_in_it(count: int, message: str, limit: int) -> None:
    text = comment(_large(count, message), limit=limit)
    assert len(text) <= limit
    assert _counted(text, "changes", r"^\| \S (?:replace|delete|update|create) \| `") == count


def test_what_matters_less_is_cut_first_whatever_the_order() -> None:
    few, many = Section("few", ["a" * 10] * 5, "few", rank=1), Section("many", ["b" * 10] * 50, "many", rank=0)
    text = fitted([few, many], 400)
    assert text.count("a" * 10) == 0
    assert "… and 5 more few that do not fit here." in text
    assert text.count("b" * 10) > 15
    assert len(text) <= 400


MARKUP = [
    ("a `code | span` and <b>", "a `code \\| span` and &lt;b&gt;"),
    ("[link](https://x.example)", "\\[link\\](https:&#47;&#47;x.example)"),
    ("@team #12 *bold* _it_ ~no~ ![i]", "&#64;team &#35;12 \\*bold\\* \\_it\\_ \\~no\\~ \\!\\[i\\]"),
    ("an unpaired ` here", "an unpaired &#96; here"),
    ("two\nlines", "two<br>lines"),
    ("<!-- istio-mesh preview: prod -->", "&lt;\\!-- istio-mesh preview: prod --&gt;"),
]


@pytest.mark.parametrize(("text", "written"), MARKUP)
def test_markup_of_others_is_shown_to_the_letter(text: str, written: str) -> None:
    assert prose(text) == written


def test_names_are_code_whatever_they_hold() -> None:
    assert code("a|b") == "`a\\|b`"
    assert code("`a`") == "`` `a` ``"
    assert code("a\nb") == "`a b`"
    assert code("") == ""


def test_a_long_text_says_how_much_is_left_out() -> None:
    text = shortened("x" * 5000, 100)
    assert len(text) <= 100
    kept = text.count("x")
    assert text.endswith(f" … ({5000 - kept} characters more)")
