import pytest

from watcher.model.amazon import ECR_HOST, PARTITIONS, partition_of
from watcher.model.reference import Host
from watcher.registry.settings import kind_of
from watcher.sources.sqs_settings import SqsSourceSettings
from watcher.sources.webhook_sns_certificates import is_of_region

REGIONS = {
    "eu-west-1": ("aws", "amazonaws.com"),
    "us-gov-west-1": ("aws-us-gov", "amazonaws.com"),
    "cn-north-1": ("aws-cn", "amazonaws.com.cn"),
    "eusc-de-east-1": ("aws-eusc", "amazonaws.eu"),
    "us-iso-east-1": ("aws-iso", "c2s.ic.gov"),
    "us-isob-east-1": ("aws-iso-b", "sc2s.sgov.gov"),
    "eu-isoe-west-1": ("aws-iso-e", "cloud.adc-e.uk"),
    "us-isof-south-1": ("aws-iso-f", "csp.hci.ic.gov"),
}


@pytest.mark.parametrize("region", REGIONS)
def test_every_service_is_known_in_every_partition(region: str) -> None:
    """Registry, queue and topic of one region are of one cloud."""
    partition, domain = REGIONS[region]
    assert (partition_of(region).name, partition_of(region).domain) == (partition, domain)
    assert kind_of(Host(f"123456789012.dkr.ecr.{region}.{domain}")) == "ecr"
    assert SqsSourceSettings(queue_url=f"https://sqs.{region}.{domain}/123456789012/news").service_region == region
    certificate = f"https://sns.{region}.{domain}/SimpleNotificationService-{'0' * 32}.pem"
    assert is_of_region(certificate, f"arn:{partition}:sns:{region}:123456789012:news")


def test_the_sdk_knows_the_same_partitions() -> None:
    """Its list is the one that Amazon keeps."""
    from botocore.session import Session

    session = Session()
    known = {name: session.get_partition_for_region(region) for region, (name, _) in REGIONS.items()}
    assert all(name == found for name, found in known.items())
    assert set(session.get_available_partitions()) == {partition.name for partition in PARTITIONS}


@pytest.mark.parametrize(
    "host",
    [
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com.example.com",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.org",
        "12345.dkr.ecr.eu-west-1.amazonaws.com",
        "ecr.eu-west-1.amazonaws.com",
    ],
)
def test_another_host_is_no_registry_of_amazon(host: str) -> None:
    """Credentials go to no name that only looks like one."""
    assert ECR_HOST.fullmatch(host) is None
