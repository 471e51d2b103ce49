"""The acts of a rehearsal: what is done with a stack, and what has to come of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import yaml

from lab.aws.rehearsal.account import AccountClient
from lab.aws.rehearsal.engine import Engine, RunFailed
from lab.aws.rehearsal.recovery import recover
from lab.aws.rehearsal.rows import Differs, Rows, equal

SEED = 20261124
"""Of the points at which the engine is killed: the same ones in every rehearsal."""


NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class DayTwo:
    """A change of the configuration.

    Attributes:
        title: What changes.
        apply: Writes it into the engine's configuration.
        expected: Operations by type: `replace aws:eks/nodeGroup:NodeGroup` to their number.
    """

    title: str
    apply: Callable[[Engine], None]
    expected: Mapping[str, int]


Editing = Callable[[dict[str, Any]], None]
"""Changes the content of a stack's configuration, by full name of each concern."""


def edited(edit: Editing) -> Callable[[Engine], None]:
    """Changes an engine's configuration."""

    def apply(engine: Engine) -> None:
        assert engine.config is not None
        content = yaml.safe_load(engine.config.read_text(encoding="utf-8"))
        edit(content["config"])
        engine.config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    return apply


@dataclass(frozen=True)
class Trouble:
    """A fault of AWS.

    Attributes:
        title: What goes wrong.
        make: Tells the account.
        says: A part of what the engine then says.
        mend: What somebody does before the next run; nothing for a fault that passes.
    """

    title: str
    make: Callable[[AccountClient], None]
    says: str
    mend: Callable[[AccountClient], None] = lambda _: None


@dataclass
class Stage:
    """Where the acts take place.

    Attributes:
        before: The inventory of the account before the first `up`.
        whole: The one after it: what has to be there after every later one, whatever came in between.
        calls: How many calls that change something an undisturbed `up`, and `destroy`, makes.
    """

    engine: Engine
    account: AccountClient
    number: str
    rows: Rows
    before: dict[str, int]
    whole: dict[str, int]
    calls: dict[str, int]


def first(engine: Engine, account: AccountClient, number: str, rows: Rows) -> Stage:
    """Preview on nothing, `up`, and `up` again."""
    name = engine.title
    engine.select()
    before = account.counts()
    with rows.row("A6", f"{name}: a preview on an account with nothing in it shows the whole graph") as figures:
        previewed = engine.preview()
        equal("calls that change something in a preview", account.changes(), 0)
        figures.update(resources=len(previewed.steps), seconds=round(previewed.seconds, 1))
    with rows.row("A1", f"{name}: one `up` makes everything that the preview showed") as figures:
        made = engine.up()
        equal("what `up` made", made.by_type(), previewed.by_type())
        figures.update(resources=len(made.steps), seconds=round(made.seconds, 1))
    calls = account.changes()
    whole = account.counts()
    with rows.row("A1", f"{name}: `up` again changes nothing") as figures:
        equal("what changes", engine.up().by_type(), {})
        equal("calls that change something", account.changes(), calls)
        figures.update(in_the_account=sum(whole.values()))
    return Stage(engine, account, number, rows, before, whole, {"up": calls})


def day_two(stage: Stage, changes: Sequence[DayTwo]) -> None:
    """Each change shows exactly the replaces and updates that it should, and does them."""
    for change in changes:
        with stage.rows.row("A2", f"{stage.engine.title}: day two: {change.title}") as figures:
            change.apply(stage.engine)
            equal("the preview", stage.engine.preview().by_type(), dict(change.expected))
            done = stage.engine.up()
            equal("the run", done.by_type(), dict(change.expected))
            equal("what changes after it", stage.engine.up().by_type(), {})
            figures.update(done.counts)
    stage.whole = stage.account.counts()


def previewed(stage: Stage, changes: Sequence[DayTwo]) -> None:
    """Each change alone shows exactly the updates and replaces that it should, what is made beside them counted, and
    nothing that is deleted; it is not carried out.
    """
    engine = stage.engine
    assert engine.config is not None
    before = engine.config.read_text(encoding="utf-8")
    for change in changes:
        with stage.rows.row("A2", f"{engine.title}: a preview on day two: {change.title}") as figures:
            change.apply(engine)
            try:
                shown = engine.preview()
            finally:
                engine.config.write_text(before, encoding="utf-8")
            by_type = shown.by_type()
            creates = {kind: count for kind, count in by_type.items() if kind.startswith("create ")}
            rest = {kind: count for kind, count in by_type.items() if kind not in creates}
            equal("what changes", rest, {k: v for k, v in change.expected.items() if not k.startswith("create ")})
            for kind, count in change.expected.items():
                if kind.startswith("create "):
                    equal(f"how often `{kind}`", creates.get(kind, 0), count)
            figures.update(shown.counts)


def gone(stage: Stage, kept: Mapping[str, int] = NOTHING) -> None:
    """`destroy` to nothing, counted in the account, and once more. kept: what stays, as the stack says."""
    with stage.rows.row(
        "A5", f"{stage.engine.title}: one `destroy` takes everything away, a second one finds nothing"
    ) as figures:
        before = stage.account.changes()
        done = stage.engine.destroy()
        stage.calls["destroy"] = stage.account.changes() - before
        equal("what is left in the account", stage.account.counts(), {**stage.before, **kept})
        equal("what a second `destroy` does", stage.engine.destroy().by_type(), {})
        figures.update(resources=len(done.steps), seconds=round(done.seconds, 1))


def troubles(stage: Stage, faults: Sequence[Trouble]) -> None:
    """Each fault fails an `up` with its reason; the next one brings everything to what it should be, and no more."""
    for fault in faults:
        with stage.rows.row(
            "A1", f"{stage.engine.title}: fault: {fault.title}; the next run ends in the right state"
        ) as figures:
            fault.make(stage.account)
            try:
                stage.engine.up()
            except RunFailed as failed:
                if fault.says not in failed.said:
                    raise Differs(f"the engine does not say `{fault.says}`, but: {failed.said[-600:]}") from failed
            else:
                raise Differs("the fault was not met: `up` succeeded")
            fault.mend(stage.account)
            stage.account.clear()
            mended = stage.engine.up()
            as_it_should_be(stage)
            figures.update(mended.counts)
        stage.engine.destroy()
        equal("what is left in the account", stage.account.counts(), stage.before)


def points(total: int, number: int, seed: int) -> list[int]:
    """So many points among the calls of a run, spread over all of it, the same for the same seed."""
    width = total / number
    chosen = random.Random(seed)
    return [min(total - 1, int(at * width + chosen.random() * width)) for at in range(number)]


def kills(stage: Stage, verb: str, number: int) -> None:
    """The engine is killed at seeded points of `up` or `destroy`; the next run ends in the right state."""
    for point in points(stage.calls[verb], number, SEED + len(verb)):
        with stage.rows.row(
            "A5", f"{stage.engine.title}: the engine killed at call {point} of {stage.calls[verb]} of `{verb}`"
        ) as figures:
            if verb == "destroy":
                stage.engine.up()
            start = stage.account.changes()
            killed(stage, verb, lambda start=start, at=point: stage.account.changes() - start > at)
            found = recover(stage.engine, stage.number)
            figures.update(cut_off=len(found), found=sum(each.id is not None for each in found))
            if verb == "up":
                stage.engine.up()
                as_it_should_be(stage)
        stage.engine.destroy()
        equal("what is left in the account", stage.account.counts(), stage.before)


def killed(stage: Stage, verb: str, when: Callable[[], bool]) -> None:
    """The engine begins a run, and is killed as soon as `when` says so. Raises Differs where it has ended before."""
    if not stage.engine.killed(verb, when):
        raise Differs("the run had ended before the point was reached")


def as_it_should_be(stage: Stage) -> None:
    """Nothing changes any more, and what is in the account is what the first `up` made."""
    equal("what changes after it", stage.engine.up().by_type(), {})
    equal("what is in the account", stage.account.counts(), stage.whole)
