"""Which host an account and a region of Amazon ECR are. Pure.

An event of ECR names no host, and a registry has several names.
"""

import re

from watcher.dialects.protocol import Delivery

# With its FIPS and dual-stack names. https://docs.aws.amazon.com/general/latest/gr/ecr.html
_NAME = re.compile(r"(?P<account>[0-9]+)\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\..+")
# The domains of Amazon's partitions, by how the names of their regions begin.
_DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "us-isof-": "csp.hci.ic.gov",
}
_DOMAIN = "amazonaws.com"


def ecr_host(account: str, region: str, delivery: Delivery) -> str:
    """As the delivery's source calls it, where it is one of its registries; else its usual name."""
    for host in (delivery.registry, *delivery.further):
        if (name := _NAME.fullmatch(host)) and (name["account"], name["region"]) == (account, region):
            return host
    domain = next((domain for start, domain in _DOMAINS.items() if region.startswith(start)), _DOMAIN)
    return f"{account}.dkr.ecr.{region}.{domain}"
