"""Amazon's partitions: clouds of their own, each with its regions and its domain.

As https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html and the SDK's list have them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """`name` is the second part of an ARN, `regions` how the names of its regions begin, `dual_stack` its domains with IPv6."""

    name: str
    domain: str
    regions: str
    dual_stack: Sequence[str] = ()


AWS = Partition(name="aws", domain="amazonaws.com", regions="", dual_stack=("api.aws", "on.aws"))
PARTITIONS = (
    Partition(
        name="aws-cn",
        domain="amazonaws.com.cn",
        regions="cn-",
        dual_stack=("api.amazonwebservices.com.cn", "on.amazonwebservices.com.cn"),
    ),
    Partition(name="aws-us-gov", domain="amazonaws.com", regions="us-gov-", dual_stack=("api.aws", "on.aws")),
    Partition(
        name="aws-eusc",
        domain="amazonaws.eu",
        regions="eusc-",
        dual_stack=("api.amazonwebservices.eu", "on.amazonwebservices.eu"),
    ),
    Partition(name="aws-iso", domain="c2s.ic.gov", regions="us-iso-"),
    Partition(name="aws-iso-b", domain="sc2s.sgov.gov", regions="us-isob-"),
    Partition(name="aws-iso-e", domain="cloud.adc-e.uk", regions="eu-isoe-"),
    Partition(name="aws-iso-f", domain="csp.hci.ic.gov", regions="us-isof-"),
    AWS,
)
# For a regular expression: every domain of services, and those with IPv6 besides.
DOMAINS = "|".join(sorted({re.escape(each.domain) for each in PARTITIONS}))
ALL_DOMAINS = "|".join(sorted({re.escape(name) for each in PARTITIONS for name in (each.domain, *each.dual_stack)}))
# Account and region of a private registry: `123456789012.dkr.ecr.eu-west-1.amazonaws.com`, and its FIPS and dual-stack names.
# https://docs.aws.amazon.com/general/latest/gr/ecr.html
ECR_HOST = re.compile(rf"(?P<account>[0-9]{{12}})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:{ALL_DOMAINS})")


def partition_of(region: str) -> Partition:
    """The partition that a region belongs to; a region that nobody knows yet is one of the first."""
    return next(each for each in PARTITIONS if region.startswith(each.regions))
