"""What the daemon needs goes away and comes back: nothing is lost, and nobody has to push again."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.daemon import Receiver, RunningDaemon
from tests.doubles.docker_registry import RunningRegistry
from tests.doubles.hooks import deliver, envelope, push_event, rows
from tests.doubles.pushing import attached_verdict, skopeo_push, write_layout
from tests.doubles.served_registry import ServedRegistry
from watcher.testing.images import BuiltImage, build_image, build_layer
from watcher.testing.ports import free_port

SOURCE = "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
POLICY = """apiVersion: watcher/v1
kind: Policy
metadata: {{name: house, version: {version}}}
rules:
  - id: any
    title: Said of every image
    category: compliance
    action: {action}
    when: 'true'
    remediation: Nothing helps.
"""


@pytest.fixture
def registry() -> Iterator[ServedRegistry]:
    served = ServedRegistry()
    yield served
    served.close()


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[Callable[..., RunningDaemon]]:
    """`start(host, publish, more)`; it is stopped at the end of the test, and says that all was well."""
    started: list[RunningDaemon] = []

    def start(host: str, publish: str = "{type: referrer}", more: str = "") -> RunningDaemon:
        config = f'registries: [{{host: "{host}"}}]\n{SOURCE}publish: [{publish}]\n{more}'
        daemon = RunningDaemon(directory=tmp_path, config=config)
        started.append(daemon)
        daemon.start()
        return daemon

    yield start
    for daemon in started:
        assert daemon.stop() == 0


def make_image(name: str) -> BuiltImage:
    return build_image([build_layer({"app/name": name})], config={"User": "1000"})


def announce(daemon: RunningDaemon, host: str, repository: str, image: BuiltImage) -> None:
    assert deliver(daemon, envelope(push_event(host, repository, image)))[0] == 202


def logged(daemon: RunningDaemon, event: str) -> list[dict[str, Any]]:
    return [line for line in daemon.lines() if line["event"] == event]


def test_events_wait_for_a_registry_that_is_down(
    start_docker_registry: Callable[..., RunningRegistry], start_daemon: Callable[..., RunningDaemon], tmp_path: Path
) -> None:
    """An event of a registry that has gone is taken in and postponed; its verdict comes when the registry does."""
    registry = start_docker_registry(tmp_path / "registry")
    image = make_image("waits")
    skopeo_push(write_layout(tmp_path / "layout", image), f"{registry.host}/team/app:v1")
    daemon = start_daemon(registry.host)
    registry.stop()
    announce(daemon, registry.host, "team/app", image)
    (postponed, *_) = daemon.eventually(lambda: logged(daemon, "job.postponed"), what="a postponed job")
    assert postponed["reason"] == "registry-unavailable"
    registry.start()
    *_, verdict = daemon.eventually(lambda: attached_verdict(registry.url, "team/app", image.digest))
    assert verdict["outcome"] == "pass"
    (job,) = rows(daemon, "SELECT state, attempts FROM job")
    assert job["attempts"] > 1


def test_a_message_waits_for_its_receiver(registry: ServedRegistry, start_daemon: Callable[..., RunningDaemon]) -> None:
    """While the receiver is down the referrer is published all the same; the message is delivered once it is back."""
    port = free_port()
    daemon = start_daemon(registry.host, f"{{type: referrer}}, {{type: webhook, url: 'http://127.0.0.1:{port}/verdicts'}}")
    image = make_image("unheard")
    registry.put("team/app", image)
    announce(daemon, registry.host, "team/app", image)
    daemon.eventually(lambda: attached_verdict(registry.url, "team/app", image.digest))
    waiting = "SELECT attempts, reason FROM publication WHERE publisher = 'webhook' AND state = 'waiting' AND attempts > 0"
    (publication,) = daemon.eventually(lambda: rows(daemon, waiting), what="a postponed message")
    assert publication["reason"]
    receiver = Receiver(port)
    (event,) = daemon.eventually(receiver.events, what="the message")
    receiver.close()
    assert event["data"]["image"]["digest"] == image.digest


def test_sigterm_ends_work_at_once_and_it_goes_on_after_a_restart(
    registry: ServedRegistry, start_daemon: Callable[..., RunningDaemon]
) -> None:
    """In the middle of a layer that does not come: exit code 0 within ten seconds, and the verdict after the next start."""
    daemon = start_daemon(registry.host)
    image = make_image("interrupted")
    registry.put("team/app", image)
    _, layer = image.blobs
    registry.fault(method="GET", path=f"/v2/team/app/blobs/{layer}", stall_seconds=60.0)
    announce(daemon, registry.host, "team/app", image)
    daemon.eventually(lambda: registry.saw("GET", f"/v2/team/app/blobs/{layer}"))
    assert daemon.stop(seconds=10.0) == 0
    assert [row["state"] for row in rows(daemon, "SELECT state FROM job")] == ["leased"]
    daemon.start()
    *_, verdict = daemon.eventually(lambda: attached_verdict(registry.url, "team/app", image.digest))
    assert verdict["outcome"] == "pass"


def test_sighup_reloads_policies_and_keeps_the_good_ones(
    registry: ServedRegistry, start_daemon: Callable[..., RunningDaemon], tmp_path: Path
) -> None:
    """A changed policy file is in force after SIGHUP; one that is broken is reported, and what was in force stays so."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.format(version="1.0.0", action="warn"))
    daemon = start_daemon(registry.host, more="policies: {packs: [], path: policy.yaml}\n")
    assert daemon.process is not None

    def outcome(name: str) -> str:
        image = make_image(name)
        registry.put(f"team/{name}", image)
        announce(daemon, registry.host, f"team/{name}", image)
        *_, verdict = daemon.eventually(lambda: attached_verdict(registry.url, f"team/{name}", image.digest))
        return str(verdict["outcome"])

    assert outcome("first") == "warn"
    policy.write_text(POLICY.format(version="1.0.1", action="fail"))
    os.kill(daemon.process.pid, signal.SIGHUP)
    (reloaded,) = daemon.eventually(lambda: logged(daemon, "policies.reloaded"))
    assert reloaded["changed"]
    assert outcome("second") == "fail"
    policy.write_text(POLICY.format(version="1.0.2", action="warn").replace("'true'", "'image.nothing ==='"))
    os.kill(daemon.process.pid, signal.SIGHUP)
    (refused,) = daemon.eventually(lambda: logged(daemon, "policies.refused"))
    assert "policy.yaml" in refused["detail"]
    assert outcome("third") == "fail"
    assert "watcher_config_last_reload_successful 0.0" in daemon.text("/metrics")
    # The configuration itself: its policies are in force, and of the rest it is said what needs a restart.
    config = daemon.directory / "watcher.yaml"
    written = config.read_text()
    other = tmp_path / "other.yaml"
    other.write_text(POLICY.format(version="1.0.0", action="warn"))
    config.write_text(written.replace("path: policy.yaml", "path: other.yaml") + "inspection: {timeout: 5m}\n")
    os.kill(daemon.process.pid, signal.SIGHUP)
    (incomplete,) = daemon.eventually(lambda: logged(daemon, "configuration.restart_needed"))
    assert incomplete["keys"] == ["inspection.timeout"]
    assert outcome("fourth") == "warn"
    assert "watcher_config_last_reload_successful 1.0" in daemon.text("/metrics")
    config.write_text(written + "inspection: {timeout: 5}\n")
    os.kill(daemon.process.pid, signal.SIGHUP)
    (refused,) = daemon.eventually(lambda: logged(daemon, "configuration.refused"))
    assert "inspection.timeout: 5 has no unit" in refused["detail"]
    assert "watcher_config_last_reload_successful 0.0" in daemon.text("/metrics")
