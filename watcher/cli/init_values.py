"""What stands for the placeholders of `init_texts`."""

import re

from watcher.model.amazon import ECR_HOST, partition_of
from watcher.model.errors import ConfigurationError
from watcher.model.reference import Host
from watcher.registry.settings import is_loopback

HERE = "http://127.0.0.1:8080"
ELSEWHERE = "https://watcher.example.com"
_URL = re.compile(r"https?://[^\s'\"\\]+")


def base_of(url: str | None, default: str) -> str:
    """How senders reach the watcher. Raises ConfigurationError for a `url` that is none."""
    base = (url or default).rstrip("/")
    if _URL.fullmatch(base) is None:
        raise ConfigurationError(f"--url {base[:200]}: expected http://HOST[:PORT] or https://HOST[:PORT]")
    return base


def broker_of(host: Host) -> dict[str, str]:
    """One on the same machine for a registry on it; else one that speaks TLS."""
    if is_loopback(host):
        return {"broker": "localhost", "port": "1883", "scheme": "mqtt", "tls": "", "listener": "listener 1883 localhost"}
    listener = "listener 8883\ncertfile /etc/mosquitto/certs/broker.crt\nkeyfile /etc/mosquitto/certs/broker.key"
    return {"broker": "broker.example.com", "port": "8883", "scheme": "mqtts", "tls": " --tls-use-os-certs", "listener": listener}


def amazon_of(host: Host) -> dict[str, str]:
    """Account, region and the names that follow from them.

    Raises:
        ConfigurationError: the host is not one of a private registry, which alone tells them.
    """
    match = ECR_HOST.fullmatch(host)
    if match is None:
        raise ConfigurationError(f"--registry {host}: expected ACCOUNT.dkr.ecr.REGION.amazonaws.com")
    return amazon_in(match["region"], match["account"])


def amazon_in(region: str, account: str) -> dict[str, str]:
    partition = partition_of(region)
    return {"account": account, "region": region, "partition": partition.name, "domain": partition.domain}
