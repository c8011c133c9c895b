"""Metrics of one process."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics import MetricWrapperBase

# From a hit in the cache to the largest images: `push to verdict` has a goal of 1 s and a limit of 10 min.
SECONDS_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
# An answer from the store takes some milliseconds, and Kubernetes waits ten seconds for it at most.
ADMISSION_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# When each counter began stands in a series of its own otherwise: as many again, and all of them began with the process.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """Every metric of docs/reference/metrics.md but those of the process and its files, in a registry of its own.

    No label holds a digest, a repository or a CVE id. What may be counted is there as 0 from the start (`known`): a counter that
    begins with 1 has no increase.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._events: dict[tuple[str, str, str], Counter] = {}
        self._always: dict[Gauge, list[tuple[str, ...]]] = {}
        self.events = Counter(
            "watcher_events_total",
            "Events by source, what became of them (accepted, duplicate, ignored, rejected, refused) and why.",
            ("source", "decision", "reason"),
            registry=registry,
        )
        self.backlog_jobs = Gauge(
            "watcher_backlog_jobs", "Jobs by lane and state (waiting, leased, dead).", ("lane", "state"), registry=registry
        )
        self.backlog_oldest_seconds = Gauge(
            "watcher_backlog_oldest_seconds", "How long the oldest waiting job of a lane has waited.", ("lane",), registry=registry
        )
        self.push_to_verdict_seconds = Histogram(
            "watcher_push_to_verdict_seconds",
            "From an event's arrival to its verdict on disk.",
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.inspection_seconds = Histogram(
            "watcher_inspection_seconds",
            "Work on one image: fetch, inspect, evaluate, record.",
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.layers = Counter(
            "watcher_layers_total", "Layers by whether their facts were known (hit) or read (miss).", ("result",), registry=registry
        )
        self.verdicts = Counter("watcher_verdicts_total", "Verdicts by outcome.", ("outcome",), registry=registry)
        self.evaluations_suppressed = Counter(
            "watcher_evaluations_suppressed_total",
            "Evaluations not made because their image was judged too often within ten minutes.",
            registry=registry,
        )
        self.images_held = Gauge(
            "watcher_images_held", "Images that sweeps saw in a registry last.", ("registry",), registry=registry
        )
        self.images_without_verdict = Gauge(
            "watcher_images_without_verdict", "Those of them that have no verdict now.", ("registry",), registry=registry
        )
        self.canaries = Counter(
            "watcher_canaries_total",
            "Canaries that were pushed, by registry and result (judged, late, not-pushed).",
            ("registry", "result"),
            registry=registry,
        )
        self.canary_judged = Gauge(
            "watcher_canary_last_judged_timestamp_seconds",
            "When a canary got its verdict last, else when the daemon began.",
            ("registry", "repository"),
            registry=registry,
        )
        self.canary_every = Gauge(
            "watcher_canary_every_seconds", "How often a canary is pushed.", ("registry", "repository"), registry=registry
        )
        self.canary_seconds = Histogram(
            "watcher_canary_seconds",
            "From the push of a canary to its verdict.",
            ("registry",),
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.sweep_completed = Gauge(
            "watcher_sweep_completed_timestamp_seconds",
            "When a sweep came to its end last, by source.",
            ("source",),
            registry=registry,
        )
        self.missed_events_repaired = Counter(
            "watcher_missed_events_repaired_total",
            "Images that only a sweep told of, in registries that an event source is for.",
            registry=registry,
        )
        self.jobs = Counter(
            "watcher_jobs_total",
            "Jobs that are done by lane and result (an outcome, absorbed, gone, suppressed).",
            ("lane", "result"),
            registry=registry,
        )
        self.publications = Counter(
            "watcher_publications_total",
            "Attempts to publish by publisher and result (published, retried, failed, unwanted).",
            ("publisher", "result"),
            registry=registry,
        )
        self.outbox_publications = Gauge(
            "watcher_outbox_publications",
            "Publications by publisher and state (waiting, leased, failed).",
            ("publisher", "state"),
            registry=registry,
        )
        self.outbox_oldest_seconds = Gauge(
            "watcher_outbox_oldest_seconds",
            "How long ago the oldest verdict was judged that waits for a publisher.",
            ("publisher",),
            registry=registry,
        )
        self.publisher_last_published = Gauge(
            "watcher_publisher_last_published_timestamp_seconds",
            "When a publisher published something last, in seconds since 1970.",
            ("publisher",),
            registry=registry,
        )
        self.publisher_held = Gauge(
            "watcher_publisher_held",
            "1 while a publisher tells nobody because it is not to: quiet hours, a digest, a budget that is used up.",
            ("publisher",),
            registry=registry,
        )
        self.quarantines = Gauge(
            "watcher_quarantines",
            "Images that are kept from being pulled, by publisher and state.",
            ("publisher", "state"),
            registry=registry,
        )
        self.registry_requests = Counter(
            "watcher_registry_requests_total",
            "Requests to registries by registry and HTTP status, or `error` when there was none.",
            ("registry", "status"),
            registry=registry,
        )
        self.connections_ended = Counter(
            "watcher_connections_ended_total",
            "Connections that the server ended by why (silent, crowded, malformed, tls).",
            ("reason",),
            registry=registry,
        )
        self.store_errors = Counter(
            "watcher_store_errors_total",
            "How often the store could not be read or written, by reason.",
            ("reason",),
            registry=registry,
        )
        self.admission_answers = Counter(
            "watcher_admission_answers_total",
            "Answers to Kubernetes by decision (allowed, warned, denied, refused) and what it came from.",
            ("decision", "reason"),
            registry=registry,
        )
        self.admission_seconds = Histogram(
            "watcher_admission_seconds",
            "From the request of Kubernetes to the answer.",
            buckets=ADMISSION_BUCKETS,
            registry=registry,
        )
        self.unreachable = Gauge(
            "watcher_unreachable",
            "1 while a registry, or a publisher for the images of one, does not answer and what needs it waits together.",
            ("kind", "name"),
            registry=registry,
        )
        self.dead_letters = Counter(
            "watcher_dead_letters_total", "Jobs that were given up, by why.", ("reason",), registry=registry
        )
        self.restarts = Counter(
            "watcher_restarts_total",
            "How often a part of the daemon ended or failed, to be run again.",
            ("part",),
            registry=registry,
        )
        self.part_up = Gauge(
            "watcher_part_up", "1 while a part of the daemon runs, 0 since it failed.", ("part",), registry=registry
        )
        self.source_connected = Gauge(
            "watcher_source_connected",
            "1 while news that is sent now would arrive by a source and be stored.",
            ("source",),
            registry=registry,
        )
        self.source_last_event = Gauge(
            "watcher_source_last_event_timestamp_seconds",
            "When a source heard something last, in seconds since 1970.",
            ("source",),
            registry=registry,
        )
        self.source_lag_seconds = Gauge(
            "watcher_source_lag_seconds",
            "How long the last delivery had waited at the broker before it was on disk, where the broker says.",
            ("source",),
            registry=registry,
        )

        self.reevaluations = Counter(
            "watcher_reevaluations_total",
            "Images that are to be judged again by cause (policy, advisories, all-advisories, schedule).",
            ("cause",),
            registry=registry,
        )
        self.advisories_age_seconds = Gauge(
            "watcher_advisories_age_seconds", "How old the oldest vulnerability data are; NaN without any.", registry=registry
        )
        self.advisories_age_seconds.set(math.nan)

    def known(self, metric: MetricWrapperBase, *values: Iterable[str]) -> None:
        """Show 0 for every combination of `values`, those of each label, until something else is known."""
        for labels in product(*values):
            metric.labels(*labels)
            if isinstance(metric, Gauge):
                self._always.setdefault(metric, []).append(labels)

    def count_event(self, source: str, decision: str, reason: str) -> None:
        """One more event. On the hot path of intake: looking a child up by its labels costs more than counting."""
        labels = (source, decision, reason)
        child = self._events.get(labels)
        if child is None:
            child = self._events[labels] = self.events.labels(*labels)
        child.inc()

    def count_connection(self, reason: str) -> None:
        self.connections_ended.labels(reason).inc()

    def count_refused(self, source: str, reason: str, events: int) -> None:
        """So many events were not taken in."""
        self.events.labels(source, "refused", reason).inc(events)

    def count_admission(self, decision: str, reason: str, seconds: float | None = None) -> None:
        """`seconds` None is a request that was no question."""
        self.admission_answers.labels(decision, reason).inc()
        if seconds is not None:
            self.admission_seconds.observe(seconds)

    def count_layer(self, result: str) -> None:
        """One more layer: `hit` or `miss`."""
        self.layers.labels(result).inc()

    def count_job(self, lane: str, result: str) -> None:
        self.jobs.labels(lane, result).inc()

    def count_publication(self, publisher: str, result: str) -> None:
        self.publications.labels(publisher, result).inc()

    def count_registry_request(self, registry: str, status: int) -> None:
        """`status` 0 is a request that got no answer."""
        self.registry_requests.labels(registry, str(status or "error")).inc()

    def count_store_error(self, reason: str) -> None:
        self.store_errors.labels(reason).inc()

    def show_reachable(self, kind: str, name: str, up: bool) -> None:
        self.unreachable.labels(kind, name).set(int(not up))

    def count_dead_letter(self, reason: str) -> None:
        self.dead_letters.labels(reason).inc()

    def count_reevaluations(self, cause: str, images: int) -> None:
        self.reevaluations.labels(cause).inc(images)

    def show_advisories_age(self, seconds: float | None) -> None:
        self.advisories_age_seconds.set(math.nan if seconds is None else seconds)

    def count_restart(self, part: str) -> None:
        self.restarts.labels(part).inc()

    def count_sweep(self, source: str, missed: int) -> None:
        """One pass of a sweep came to its end: so many images that it found somebody should have told of."""
        self.sweep_completed.labels(source).set_to_current_time()
        self.missed_events_repaired.inc(missed)

    def begin_canary(self, host: str, repository: str, every_seconds: float) -> None:
        """One will be pushed every so often from now on."""
        self.canary_every.labels(host, repository).set(every_seconds)
        self.canary_judged.labels(host, repository).set_to_current_time()

    def count_canary(self, repository: str, host: str, result: str, seconds: float | None) -> None:
        """A canary was pushed, or not; `seconds` are those until its verdict."""
        self.canaries.labels(host, result).inc()
        if seconds is not None:
            self.canary_seconds.labels(host).observe(seconds)
            self.canary_judged.labels(host, repository).set_to_current_time()

    def show_held(self, totals: Mapping[str, tuple[int, int]]) -> None:
        """Replace what was shown: by registry, how many images there are, and how many of them have no verdict."""
        self.images_held.clear()
        self.images_without_verdict.clear()
        for host, (images, without_verdict) in totals.items():
            self.images_held.labels(host).set(images)
            self.images_without_verdict.labels(host).set(without_verdict)

    def count_verdict(self, outcome: str) -> None:
        self.verdicts.labels(outcome).inc()

    def show_backlog(self, jobs: Mapping[tuple[str, str], int], oldest_seconds: Mapping[str, float]) -> None:
        """Replace what was shown: a lane that is empty now has no line, or that of what is `known`."""
        self.forget_backlog()
        self._show_each(self.backlog_jobs, jobs)
        for lane, seconds in oldest_seconds.items():
            self.backlog_oldest_seconds.labels(lane).set(seconds)

    def show_outbox(self, publications: Mapping[tuple[str, str], int], oldest_seconds: Mapping[str, float]) -> None:
        """Replace what was shown, as `show_backlog`."""
        self.forget_outbox()
        for publisher, seconds in oldest_seconds.items():
            self.outbox_oldest_seconds.labels(publisher).set(max(0.0, seconds))
        self._show_each(self.outbox_publications, publications)

    def show_quarantines(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Replace what was shown, as `show_backlog`."""
        self.quarantines.clear()
        self._show_each(self.quarantines, counts)

    def show_source(self, source: str, *, connected: bool, last_event_at: datetime | None, lag_seconds: float | None) -> None:
        """What is not known has no line."""
        self.source_connected.labels(source).set(int(connected))
        if last_event_at is not None:
            self.source_last_event.labels(source).set(last_event_at.timestamp())
        if lag_seconds is not None:
            self.source_lag_seconds.labels(source).set(lag_seconds)

    def show_publisher(self, publisher: str, *, held: bool, last_published_at: datetime | None) -> None:
        """What is not known has no line."""
        self.publisher_held.labels(publisher).set(int(held))
        if last_published_at is not None:
            self.publisher_last_published.labels(publisher).set(last_published_at.timestamp())

    def forget_store(self) -> None:
        """Show nothing rather than old numbers."""
        self.forget_outbox()
        self.forget_backlog()
        self.quarantines.clear()

    def forget_outbox(self) -> None:
        self.outbox_publications.clear()
        self.outbox_oldest_seconds.clear()

    def forget_backlog(self) -> None:
        self.backlog_jobs.clear()
        self.backlog_oldest_seconds.clear()

    def show_part(self, part: str, up: bool) -> None:
        """Its restarts are shown from the first moment too, as 0: a counter that begins with 1 has no rate."""
        self.restarts.labels(part)
        self.part_up.labels(part).set(int(up))

    def _show_each(self, gauge: Gauge, counts: Mapping[tuple[str, str], int]) -> None:
        for labels in self._always.get(gauge, ()):
            gauge.labels(*labels)
        for labels, count in counts.items():
            gauge.labels(*labels).set(count)

    def exposition(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self.registry)
