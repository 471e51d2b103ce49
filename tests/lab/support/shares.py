"""Whether requests are shared as the stack says: within three sigmas, with a second sample where the first one is off.

A fair draw is more than three sigmas off once in 370 times, and two in a row are once in 137,000 times: what is off
twice is not fair. A share that is off by five in a hundred is found by both samples all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SAMPLE = 1000  # requests of one sample
SIGMAS = 3


def tolerance(percent: float, *, sample: int = SAMPLE, sigmas: float = SIGMAS) -> float:
    """The most that a share of a sample may be off, in requests.

    :param percent: the share, from 0 to 100.
    """
    share = percent / 100
    return sigmas * math.sqrt(sample * share * (1 - share))


def within(count: int, percent: float, *, sample: int = SAMPLE, sigmas: float = SIGMAS) -> bool:
    """Whether so many of a sample are a fair draw of this share."""
    return abs(count - sample * percent / 100) <= tolerance(percent, sample=sample, sigmas=sigmas)


@dataclass(frozen=True)
class Shares:
    """How many of :data:`SAMPLE` requests each version had.

    :ivar percent: what each version is to have; those of 0 % are to have none.
    :ivar samples: one or two, requests by version; the last one counts.
    """

    percent: Mapping[str, float]
    samples: list[dict[str, int]]

    @classmethod
    def drawn(cls, draw: Callable[[], Mapping[str, int]], percent: Mapping[str, float]) -> Shares:
        """Takes a sample, and another one where it is off.

        :param draw: sends :data:`SAMPLE` requests and counts them by version.
        """
        shares = cls(percent, [dict(draw())])
        if not shares.fair:
            shares.samples.append(dict(draw()))
        return shares

    @property
    def fair(self) -> bool:
        """Whether the last sample has all versions that are to have some, none else, and each its share."""
        last = self.samples[-1]
        wanted = {version: share for version, share in self.percent.items() if share}
        return set(last) == set(wanted) and all(within(last[version], share) for version, share in wanted.items())

    def __str__(self) -> str:
        wanted = ", ".join(f"{version} {share:g} %" for version, share in self.percent.items())
        return f"{wanted} within {SIGMAS} sigmas of {SAMPLE}: {self.samples}"


@dataclass(frozen=True)
class Share:
    """How many of :data:`SAMPLE` requests something was done to.

    :ivar percent: how many it is to be done to.
    :ivar samples: one or two, requests; the last one counts.
    """

    percent: float
    samples: list[int]

    @classmethod
    def drawn(cls, draw: Callable[[], int], percent: float) -> Share:
        """Takes a sample, and another one where it is off.

        :param draw: sends :data:`SAMPLE` requests and counts those in question.
        """
        share = cls(percent, [draw()])
        if not share.fair:
            share.samples.append(draw())
        return share

    @property
    def fair(self) -> bool:
        """Whether the last sample has this share."""
        return within(self.samples[-1], self.percent)

    def __str__(self) -> str:
        return f"{self.percent:g} % within {SIGMAS} sigmas of {SAMPLE}: {self.samples}"
