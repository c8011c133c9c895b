"""What the configuration names is counted from 0."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.doubles.api import running_api
from tests.doubles.verdicts import SUBJECT
from tests.unit.api.test_admission import BY_DIGEST, a_review, pod
from watcher.api.limits import Limits
from watcher.api.settings import AdmissionSettings, Mode
from watcher.counted import DEAD, FREQUENT, REFUSED, RESULTS, show_from_start
from watcher.kit.metrics import Metrics
from watcher.model.errors import RegistryUnavailableError
from watcher.model.push import Push
from watcher.model.verdict import Outcome
from watcher.pipeline.intake import DurableIntake
from watcher.settings import load
from watcher.store.own_writes import OwnWriteStore

ROOT = Path(__file__).parents[3]
SOURCES = "\n".join(path.read_text() for path in (ROOT / "watcher").rglob("*.py") if path.name != "counted.py")
CONFIGURATION = """
registries: [{host: registry.example.com}]
sources:
  - {type: webhook, dialect: harbor, auth: {type: none}}
  - {type: sweep, name: nightly}
publish: [{type: log}]
canaries: [{registry: registry.example.com, repository: watched/canary}]
admission: {}
"""


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    path = tmp_path / "watcher.yaml"
    path.write_text(CONFIGURATION)
    metrics = Metrics()
    show_from_start(metrics, load(path))
    return metrics


@pytest.mark.parametrize(
    "series",
    [
        'watcher_events_total{decision="accepted",reason="",source="harbor"}',
        'watcher_events_total{decision="rejected",reason="host-mismatch",source="harbor"}',
        'watcher_events_total{decision="accepted",reason="found",source="nightly"}',
        'watcher_events_total{decision="accepted",reason="",source="api"}',
        'watcher_publications_total{publisher="log",result="failed"}',
        'watcher_registry_requests_total{registry="registry.example.com",status="error"}',
        'watcher_canaries_total{registry="registry.example.com",result="late"}',
        'watcher_canary_seconds_count{registry="registry.example.com"}',
        'watcher_admission_answers_total{decision="denied",reason="fail"}',
        'watcher_admission_answers_total{decision="warned",reason="verdict-too-old"}',
        'watcher_jobs_total{lane="sweep",result="not-applicable"}',
        'watcher_store_errors_total{reason="disk-full"}',
        'watcher_outbox_publications{publisher="log",state="failed"}',
    ],
)
def test_it_is_there_before_anything_happens(metrics: Metrics, series: str) -> None:
    """A counter that begins with 1 has no increase."""
    assert f"\n{series} 0.0\n" in metrics.exposition().decode()


def series(metrics: Metrics) -> set[str]:
    """Those of events and admissions."""
    lines = metrics.exposition().decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if re.match(r"watcher_(events|admission_answers)_total\{", line)}


@pytest.mark.enable_socket
@pytest.mark.parametrize("mode", ["allow", "warn", "deny"])
async def test_nothing_is_counted_that_was_not_there(tmp_path: Path, mode: Mode) -> None:
    """Whatever a sweep finds, CI asks for, and a cluster asks and is told."""
    admission = AdmissionSettings(on_unknown=mode, on_unjudged=mode, environment="production")
    path = tmp_path / "watcher.yaml"
    path.write_text(CONFIGURATION.replace("admission: {}", f"admission: {{on_unknown: {mode}, on_unjudged: {mode}}}"))
    limits = Limits(resolve_seconds=0.05)
    async with running_api(tmp_path, admission=admission, admission_token="t", limits=limits) as api:
        show_from_start(api.metrics, load(path))
        before = series(api.metrics)
        push = Push(registry=SUBJECT.registry, repository=SUBJECT.repository, digest=SUBJECT.digest)
        own_writes = OwnWriteStore(api.database, api.clock)
        intake = DurableIntake(
            dialects={}, backlog=api.backlog, own_writes=own_writes, clock=api.clock, counted=api.metrics.count_event
        )
        for found in ([push], [push]):
            await intake.found("nightly", found)
        for _ in range(2):
            await api.post("/api/v1/evaluations", {"image": "registry.example.com/team/other:v1", "wait_seconds": 0})
        silent, failing = "registry.example.com/team/app:silent", "registry.example.com/team/app:down"
        api.registries.answers.update({silent: asyncio.Event(), failing: RegistryUnavailableError("down")})
        images: list[tuple[str, ...]] = [(), (BY_DIGEST,), ("elsewhere.example.com/x:1",), ("UPPER",), (silent,), (failing,)]
        for outcome in Outcome:
            await api.record(id=outcome.value, outcome=outcome)
            for asked in images:
                for review in (a_review(pod(*asked)), a_review({"spec": {"template": pod(*asked)}}, kind="Deployment")):
                    assert (await api.post("/k8s/admission/t", review))[0] == 200
        await api.record(id="old", outcome=Outcome.PASS, evaluated_at=api.clock() - timedelta(days=2))
        await api.post("/k8s/admission/t", a_review(pod(BY_DIGEST)))
        await api.post("/k8s/admission/t", {})
        await api.post("/k8s/admission", {})
        assert series(api.metrics) - before == set()


def test_a_sweep_is_sent_nothing_that_could_be_wrong(metrics: Metrics) -> None:
    """What nobody can send it has no line."""
    assert 'decision="rejected",reason="invalid-json",source="nightly"' not in metrics.exposition().decode()


def test_what_is_known_of_the_store_is_not_shown_while_nobody_knows(metrics: Metrics) -> None:
    """A lane that became empty has 0 again, and an unreadable store no numbers, not even those."""
    metrics.show_backlog({("push", "waiting"): 2}, {"push": 4.0})
    metrics.show_backlog({}, {})
    assert 'watcher_backlog_jobs{lane="push",state="waiting"} 0.0' in metrics.exposition().decode()
    metrics.forget_backlog()
    assert "watcher_backlog_jobs{" not in metrics.exposition().decode()


def test_reasons_are_those_that_there_are() -> None:
    """A word that nobody says would be a 0 for ever, and what is meant by it have none."""
    hooks = (ROOT / "docs" / "reference" / "http.md").read_text()
    for fate, reasons in FREQUENT.items():
        listed = [line for line in hooks.splitlines() if line.startswith(f"| {fate.value} |")]
        assert [reason for reason in reasons if not any(f"`{reason}`" in line for line in listed)] == []
    assert [word for word in (*REFUSED, *RESULTS, *DEAD) if f'"{word}"' not in SOURCES] == []
