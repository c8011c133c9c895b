"""deploy/prometheus: Prometheus reads the rules, they fire when they should, and ask only for what the daemon counts."""

import math
import re
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from watcher.backlog.protocol import Lane
from watcher.kit.certificate_metrics import CertificateMetrics
from watcher.kit.metrics import Metrics
from watcher.kit.reload_metrics import ReloadMetrics
from watcher.kit.sqlite_files import DatabaseFiles
from watcher.model.verdict import Outcome

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = PROMETHEUS / "alerts.yml"
TESTS = (PROMETHEUS / "alerts_test.yml", PROMETHEUS / "alerts_days_test.yml")
# What Prometheus itself adds to each series, and says of each target, and what its client library does.
ADDED = {"instance", "job"}
OF_PROMETHEUS = {"up": ADDED, "process_start_time_seconds": ADDED}
SELECTOR = re.compile(r"\b((?:watcher_\w+)|up|process_start_time_seconds)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')


@cache
def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def shown_once() -> Metrics:
    """Every metric with a value of each label that rules may ask for."""
    metrics = Metrics()
    ReloadMetrics(metrics.registry)
    CertificateMetrics(metrics.registry)
    for decision, reason in (("accepted", ""), ("rejected", "host-mismatch"), ("refused", "unauthorized")):
        metrics.count_event("main", decision, reason)
    jobs = {(lane.value, state): 1 for lane in Lane for state in ("waiting", "leased", "dead")}
    metrics.show_backlog(jobs, {lane.value: 1.0 for lane in Lane})
    metrics.show_outbox({("sec", state): 1 for state in ("waiting", "leased", "failed")}, {"sec": 1.0})
    metrics.show_quarantines({("sec", state): 1 for state in ("in-force", "passing", "held", "failed")})
    metrics.show_publisher("sec", held=False, last_published_at=datetime.now(UTC))
    metrics.show_source("main", connected=True, last_event_at=datetime.now(UTC), lag_seconds=1.0)
    metrics.count_sweep("catch-up", missed=1)
    metrics.begin_canary("registry.example.com", "watched/canary", 3600.0)
    metrics.count_canary("watched/canary", "registry.example.com", "late", 1.0)
    metrics.show_held({"registry.example.com": (2, 1)})
    metrics.show_advisories_age(1.0)
    metrics.show_part("judge", True)
    metrics.push_to_verdict_seconds.observe(1.0)
    metrics.inspection_seconds.observe(1.0)
    metrics.evaluations_suppressed.inc()
    for outcome in Outcome:
        metrics.count_verdict(outcome.value)
    for kind in ("registry", "publisher"):
        metrics.show_reachable(kind, "registry.example.com", True)
    for result in ("published", "retried", "failed", "unwanted"):
        metrics.count_publication("sec", result)
    for status in (0, 200, 403, 429, 500):
        metrics.count_registry_request("registry.example.com", status)
    metrics.count_store_error("disk-full")
    metrics.registry.register(DatabaseFiles(Path(__file__)))
    return metrics


@cache
def exposed() -> dict[str, dict[str, set[str]]]:
    """What `/metrics` has: labels of each sample by its name, with their values."""
    samples: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(shown_once().exposition().decode()):
        for sample in family.samples:
            labels = samples.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return samples


def unknown(expression: str) -> set[str]:
    """Metrics that are not there, labels that they do not have, and values that no series has."""
    found = set()
    for metric, selector in SELECTOR.findall(expression):
        if metric in OF_PROMETHEUS:
            continue
        if metric not in exposed():
            found.add(metric)
            continue
        labels = exposed()[metric]
        for label, value in MATCHER.findall(selector):
            if not any(re.fullmatch(value, there) for there in labels.get(label, ())):
                found.add(f'{metric}{{{label}="{value}"}}')
    grouped = {label for names in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression) for label in re.split(r",\s*", names)}
    metrics = [metric for metric, _ in SELECTOR.findall(expression)]
    for metric in metrics:
        found |= {f"{metric} by {label}" for label in grouped - ADDED - set(exposed().get(metric, OF_PROMETHEUS.get(metric, ())))}
    return found


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_reads_the_rules() -> None:
    """`promtool check rules` finds no mistake, nor anything that it would warn of."""
    promtool("check", "rules", "--lint-fatal", RULES)


@pytest.mark.parametrize("tests", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should(tests: Path) -> None:
    """And not otherwise, with the texts that a person then reads."""
    promtool("test", "rules", tests)


def test_each_alert_is_seen_to_fire_and_not_to() -> None:
    """An alert that is tested one way only could be one that always, or never, fires."""
    seen: dict[str, set[bool]] = {}
    for path in TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test["alert_rule_test"]:
                seen.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert seen == {rule["alert"]: {True, False} for rule in rules()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    """A metric, a label or a value that no daemon shows would be an alert that never fires."""
    assert unknown(rule["expr"]) == set()


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("watcher_gone_total > 0", {"watcher_gone_total"}),
        ('watcher_events_total{fate="rejected"} > 0', {'watcher_events_total{fate="rejected"}'}),
        ('watcher_verdicts_total{outcome="failed"}', {'watcher_verdicts_total{outcome="failed"}'}),
        ("sum by (instance, lane) (watcher_part_up)", {"watcher_part_up by lane"}),
        ('watcher_push_to_verdict_seconds_bucket{le="60"}', {'watcher_push_to_verdict_seconds_bucket{le="60"}'}),
    ],
)
def test_the_check_sees_what_is_not_there(expression: str, found: set[str]) -> None:
    """The check above would be worth nothing if it passed over these."""
    assert unknown(expression) == found


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_a_person_needs(rule: dict[str, Any]) -> None:
    """How urgent it is, what has happened in a sentence, and where to read on."""
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    annotations = rule["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert annotations["summary"].endswith(".")
    assert annotations["runbook_url"].endswith(f"/runbooks/{rule['alert']}.md")


def test_without_advisories_none_are_old() -> None:
    """Their age is then no number, of which Prometheus says that it is not above any."""
    samples = {sample.name: sample.value for family in Metrics().registry.collect() for sample in family.samples}
    assert math.isnan(samples["watcher_advisories_age_seconds"])
