"""What can be counted, as far as the configuration tells: shown as 0 from the start, so that the first of each has a rate.

Reasons are many and most of them never come; of these there are the ones that are met in practice.
"""

from watcher.api.admission import answers
from watcher.api.evaluations import SOURCE as API
from watcher.backlog.protocol import FOUND, Fate, Lane
from watcher.kit.metrics import Metrics
from watcher.kit.sqlite import StoreUnavailableError
from watcher.kit.sqlite_trouble import Ailment
from watcher.model.verdict import Outcome
from watcher.settings import Settings

FREQUENT = {
    Fate.DUPLICATE: ("delivery", "joined", "window", "job"),
    Fate.IGNORED: ("pull", "mount", "delete", "other-action", "blob", "published-by-us", "other-type", "not-an-image", "test"),
    Fate.REJECTED: ("invalid-json", "too-large", "no-events", "invalid-event", "no-digest", "host-mismatch", "host-missing"),
}
# Why nothing new came of what a sweep found, and of what CI asked for.
FOUND_BEFORE, ASKED_BEFORE = ("joined", "leased", "dead", "window"), ("joined", "window")
REFUSED = ("unauthorized", "store-unavailable", "body-unread")
# With the outcomes, what becomes of a job.
RESULTS = ("absorbed", "gone", "suppressed", "published-by-us", "marker")
DEAD = ("registry-unavailable", "registry-refused", "registry-authentication", "timed-out", "worker-killed", "internal")
# What registries answer day by day, and no answer at all.
STATUSES = ("200", "201", "202", "206", "301", "302", "307", "401", "403", "404", "429", "500", "502", "503", "504", "error")


def show_from_start(metrics: Metrics, settings: Settings) -> None:
    """Give everything that is known its 0."""
    outcomes = [outcome.value for outcome in Outcome]
    metrics.known(metrics.events, ["unknown"], ["refused"], ["unauthorized"])
    sweeps = {each.name for each in settings.sources} - settings.event_sources.keys()
    for source, new, before in (*((each, FOUND, FOUND_BEFORE) for each in sweeps), (API, "", ASKED_BEFORE)):
        metrics.known(metrics.events, [source], [Fate.ACCEPTED], [new])
        metrics.known(metrics.events, [source], [Fate.DUPLICATE], before)
        metrics.known(metrics.events, [source], ["refused"], [StoreUnavailableError.reason])
    for source in settings.event_sources:
        metrics.known(metrics.events, [source], [Fate.ACCEPTED], [""])
        for fate, reasons in FREQUENT.items():
            metrics.known(metrics.events, [source], [fate], reasons)
        metrics.known(metrics.events, [source], ["refused"], REFUSED)
    metrics.known(metrics.verdicts, outcomes)
    metrics.known(metrics.jobs, list(Lane), [*outcomes, *RESULTS])
    metrics.known(metrics.backlog_jobs, list(Lane), ["waiting", "leased", "dead"])
    metrics.known(metrics.dead_letters, DEAD)
    metrics.known(metrics.layers, ["hit", "miss"])
    publishers = [each.name for each in settings.publish]
    metrics.known(metrics.publications, publishers, ["published", "retried", "failed", "unwanted"])
    metrics.known(metrics.outbox_publications, publishers, ["waiting", "leased", "failed"])
    metrics.known(metrics.registry_requests, [each.host for each in settings.registries], STATUSES)
    metrics.known(metrics.unreachable, ["registry"], [each.host for each in settings.registries])
    metrics.known(metrics.connections_ended, ["silent", "crowded", "malformed", "tls"])
    metrics.known(metrics.store_errors, list(Ailment))
    metrics.known(metrics.reevaluations, ["policy", "advisories", "all-advisories", "schedule"])
    canaries = {each.host for each in settings.canaries}
    metrics.known(metrics.canaries, canaries, ["judged", "late", "not-pushed"])
    metrics.known(metrics.canary_seconds, canaries)
    if settings.admission is not None:
        for decision, words in answers(settings.admission).items():
            metrics.known(metrics.admission_answers, [decision], words)
