"""`ca_file`: what an authority of one's own has signed is believed by every library that connects, and by `watcher scan`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from tests.doubles.certificates import Authority
from tests.doubles.served_registry import ServedRegistry
from watcher.testing.images import build_image, build_layer

# Each way to connect says the class of what went wrong, or "ok": an answer of any kind is one.
WAYS = """
import asyncio, json, sys
import aiohttp  # as a command does, before a configuration is read
from watcher.kit.connector import trusting
from watcher.kit.trust import trust

ca_file, host, grpc_host = sys.argv[1:]
trust(ca_file or None)
import http.client, smtplib, ssl
import boto3, grpc, requests
from botocore.config import Config

async def by_aiohttp():
    async with aiohttp.ClientSession(connector=trusting()) as session, session.get(f"https://{host}/v2/"):
        pass

def by_http_client():
    connection = http.client.HTTPSConnection(host, timeout=10)
    connection.request("GET", "/v2/")
    connection.getresponse().read()

def by_boto3():
    once = Config(retries={"total_max_attempts": 1}, region_name="eu-west-1")
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    client = boto3.client("sqs", endpoint_url=f"https://{host}", config=once, **keys)
    try:
        client.list_queues()
    except client.exceptions.ClientError:
        pass

def by_grpc():
    with grpc.secure_channel(grpc_host, grpc.ssl_channel_credentials()) as channel:
        grpc.channel_ready_future(channel).result(timeout=3)

ways = {
    "aiohttp": lambda: asyncio.run(by_aiohttp()),
    "http.client": by_http_client,
    "requests": lambda: requests.get(f"https://{host}/v2/", timeout=10),
    "boto3": by_boto3,
    "grpc": by_grpc,
}
told = {}
for name, way in ways.items():
    try:
        way()
        told[name] = "ok"
    except Exception as error:
        told[name] = type(error).__name__
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def registry(authority: Authority) -> Iterator[ServedRegistry]:
    serving = ServedRegistry(tls=authority.server_context())
    serving.put("team/app", build_image([build_layer({"app/name": "x"})], config={"User": "1000"}))
    yield serving
    serving.close()


@pytest.fixture(scope="module")
def grpc_host(authority: Authority) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    certificate, key = authority.issue("grpc")
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())]))
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


def environment() -> dict[str, str]:
    """Without what this machine says of authorities and proxies."""
    left_out = ("SSL_CERT", "REQUESTS_CA", "CURL_CA", "AWS_", "GRPC_", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


@pytest.mark.parametrize("given", [True, False], ids=["given", "not-given"])
def test_every_library_believes_it_and_only_then(
    given: bool, authority: Authority, registry: ServedRegistry, grpc_host: str
) -> None:
    """aiohttp, http.client, requests (apprise, Google), botocore and gRPC, in a process of its own."""
    ca_file = str(authority.path) if given else ""
    done = subprocess.run(
        [sys.executable, "-c", WAYS, ca_file, registry.host, grpc_host],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(),
    )
    told = json.loads(done.stdout)
    assert {name for name, how in told.items() if (how == "ok") is not given} == set(), told


def scan(folder: Path, registry: ServedRegistry, configuration: str) -> tuple[int, str]:
    (folder / "watcher.yaml").write_text(f"registries: [{{host: '{registry.host}', scheme: https}}]\n{configuration}")
    command = [sys.executable, "-m", "watcher", "scan", f"{registry.host}/team/app:v1", "-o", "json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=folder, env=environment())
    return done.returncode, done.stdout + done.stderr


def test_a_scan_believes_it(authority: Authority, registry: ServedRegistry, tmp_path: Path) -> None:
    """By requests and for layers; without it the registry is one that nobody vouches for, which is no pass."""
    assert scan(tmp_path, registry, f"ca_file: {authority.path}\n")[0] == 0
    code, said = scan(tmp_path, registry, "")
    assert code == 3
    assert "not trusted" in said


def test_a_file_that_is_not_there_is_found_beforehand(tmp_path: Path) -> None:
    """By `watcher config check`, with its place; `run` ends with 2 for it."""
    (tmp_path / "watcher.yaml").write_text("sources: []\nca_file: nowhere.pem\n")
    command = [sys.executable, "-m", "watcher", "config", "check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=environment())
    assert done.returncode == 2
    assert "watcher.yaml:2:10: ca_file: nowhere.pem cannot be read: No such file or directory" in done.stdout + done.stderr
