"""Which host an account and a region of Amazon ECR are. Pure.

An event of ECR names no host, and a registry has several names.
"""

from watcher.dialects.protocol import Delivery
from watcher.model.amazon import ECR_HOST, partition_of


def ecr_host(account: str, region: str, delivery: Delivery) -> str:
    """As the delivery's source calls it, where it is one of its registries; else its usual name."""
    for host in (delivery.registry, *delivery.further):
        if (name := ECR_HOST.fullmatch(host)) and (name["account"], name["region"]) == (account, region):
            return host
    return f"{account}.dkr.ecr.{region}.{partition_of(region).domain}"
