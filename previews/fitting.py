"""A page of a limited length: the sections that matter most keep their items, and what is cut off is counted."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        head: What stands above the items.
        items: Lines, the most important first.
        noun: What they are, for the line that counts those cut off: `changes`.
        foot: What stands below.
        rank: The lower, the later its items are cut off.
    """

    head: str
    items: Sequence[str] = ()
    noun: str = "lines"
    foot: str = ""
    rank: int = 0

    def with_first(self, count: int) -> str:
        """The section with so many of its items."""
        cut = len(self.items) - count
        lines = [self.head, *self.items[:count]]
        if cut:
            lines += ["", self._cut(cut)]
        return "\n".join([*lines, *([self.foot] if self.foot else [])])

    def bare(self) -> int:
        """Its length without any item."""
        return len(self.head) + len(self.foot) + len(self._cut(len(self.items))) + 5

    def _cut(self, count: int) -> str:
        return f"**… and {count} more {self.noun} that do not fit here.**"


def fitted(sections: Sequence[Section], limit: int) -> str:
    """The sections in their order, in at most `limit` characters.

    The items of a section of lower rank are all taken before those of the next; heads, feet and counts always stay.
    """
    left = limit - sum(section.bare() for section in sections)
    kept: dict[int, int] = {}
    for index in sorted(range(len(sections)), key=lambda index: sections[index].rank):
        kept[index] = 0
        for item in sections[index].items:
            left -= len(item) + 1
            if left < 0:
                break
            kept[index] += 1
        left = max(left, 0) if left >= 0 else -1
    return "\n\n".join(section.with_first(kept[index]) for index, section in enumerate(sections)) + "\n"
