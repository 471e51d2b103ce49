"""What is known of AWS's regions without asking it: their zones, and the hosted zones of their load balancers.

As of 2025-11. Sources: docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html (regions, number of
zones), docs.aws.amazon.com/general/latest/gr/elb.html (hosted zones of Network Load Balancers, for Route 53 aliases)
and docs.aws.amazon.com/eks/latest/userguide/network-reqs.html (zones in which no control plane may stand). A region
is a line more here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Region:
    """One region of AWS."""

    name: str
    """As in `us-east-1`."""

    zone_letters: str
    """Last letters of its zones that a control plane may stand in. Which of them an account has is the account's."""

    balancer_zone: str
    """Route 53 hosted zone of the names of its Network Load Balancers."""

    @property
    def zones(self) -> tuple[str, ...]:
        """Its zones: `us-east-1a`, ..."""
        return tuple(f"{self.name}{letter}" for letter in self.zone_letters)


_ROWS = (
    # One zone takes no control plane, and which letter it has differs by account (docs/first-deployment.md).
    Region("us-east-1", "abcdef", "Z26RNL4JYFTOTI"),
    Region("us-east-2", "abc", "ZLMOA37VPKANP"),
    Region("us-west-1", "abc", "Z24FKFUX50B4VW"),
    Region("us-west-2", "abcd", "Z18D5FSROUN65G"),
    Region("ca-central-1", "abd", "Z2EPGBW3API2WT"),
    Region("sa-east-1", "abc", "ZTK26PT1VY4CU"),
    Region("eu-central-1", "abc", "Z3F0SRJ5LGBH90"),
    Region("eu-central-2", "abc", "Z02239872DOALSIDCX66S"),
    Region("eu-west-1", "abc", "Z2IFOLAFXWLO4F"),
    Region("eu-west-2", "abc", "ZD4D7Y8KGAS4G"),
    Region("eu-west-3", "abc", "Z1CMS0P5QUZ6D5"),
    Region("eu-north-1", "abc", "Z1UDT6IFJ4EJM"),
    Region("eu-south-1", "abc", "Z23146JA1KNAFP"),
    Region("ap-northeast-1", "acd", "Z31USIVHYNEOWT"),
    Region("ap-northeast-2", "abcd", "ZIBE1TIR4HY56"),
    Region("ap-south-1", "abc", "ZVDDRBQ08TROA"),
    Region("ap-southeast-1", "abc", "ZKVM4W9LS7TM"),
    Region("ap-southeast-2", "abc", "ZCT6FZBF4DROD"),
    Region("af-south-1", "abc", "Z203XCE67M25HM"),
)

REGIONS: Mapping[str, Region] = MappingProxyType({region.name: region for region in _ROWS})
"""The regions, by name."""
