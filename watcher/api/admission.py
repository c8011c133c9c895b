"""`POST /k8s/admission[/{token}]`: may these images run? Answered from stored verdicts, without looking at an image."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from aiohttp import web

from watcher.api.admission_review import NAME_CHARACTERS, Answer, MalformedReviewError, parse_review, render
from watcher.api.context import CONTEXT, ApiContext
from watcher.api.event_rules import EventRules
from watcher.api.guard import bears
from watcher.api.problems import problem
from watcher.api.settings import AdmissionSettings, Mode
from watcher.api.tags import TagCache
from watcher.kit.counted import counted
from watcher.kit.secret import Secret
from watcher.kit.sqlite import StoreUnavailableError
from watcher.kit.units import seconds
from watcher.model.digest import Digest
from watcher.model.errors import (
    AuthenticationError,
    InvalidReferenceError,
    RegistryRefusedError,
    RegistryUnavailableError,
    ThrottledError,
    WatcherError,
)
from watcher.model.reference import Reference, parse_reference
from watcher.model.verdict import Action, Finding, Outcome, Verdict, worst

log = structlog.get_logger(__name__)

# A pod has a handful of images. Of a review with thousands so many are looked at a time, so that others are answered beside it,
IMAGES_AT_ONCE = 32
# and so many tags are asked of registries.
MOST_TAGS = 100
# A message is read in a terminal; the API has all findings.
NAMED_FINDINGS = 3
# The log names as many images, of which a pod rarely has more.
NAMED_IMAGES = 5
NAMED_CHARACTERS = 300
# So many are named in the audit log, which holds the answer whole.
MOST_NOTES = 50
DECISIONS = ("denied", "warned", "allowed")
# A workload is warned of what its pods are denied for.
ANSWERED_BY: Mapping[Mode, Sequence[str]] = {"allow": ("allowed",), "warn": ("warned",), "deny": ("denied", "warned")}
UNAUTHORIZED = "unauthorized"
NOTES = {"denied": "denied", "warned": "allowed with warnings", "allowed": "allowed"}
STRICTEST: tuple[Mode, ...] = ("deny", "warn", "allow")
NO_IMAGE, NEVER_JUDGED = "no-image", "never-judged"
TOO_OLD, TIMED_OUT, TOO_MANY_TAGS = "verdict-too-old", "timed-out", "too-many-tags"
# What makes an image unknown, as far as it is met in practice: its verdict, what bounds a review, its name, its registry, a store.
UNKNOWN_FOR = (
    Outcome.UNKNOWN.value,
    TOO_OLD,
    TIMED_OUT,
    TOO_MANY_TAGS,
    InvalidReferenceError.reason,
    RegistryUnavailableError.reason,
    ThrottledError.reason,
    AuthenticationError.reason,
    RegistryRefusedError.reason,
    StoreUnavailableError.reason,
)


@dataclass(slots=True)
class _Said:
    """What is said about one image: sentences for people, and one word for the first thing of each mode."""

    denials: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    words: dict[Mode, str] = field(default_factory=dict)

    def add(self, mode: Mode, word: str, sentence: str) -> None:
        self.words.setdefault(mode, word)
        if mode == "deny":
            self.denials.append(sentence)
        elif mode == "warn":
            self.warnings.append(sentence)

    @property
    def decision(self) -> str:
        return "denied" if self.denials else "warned" if self.warnings else "allowed"

    @property
    def reason(self) -> str:
        """Why, in a word of few; empty for an image that nothing is to be said of."""
        return next((self.words[mode] for mode in STRICTEST if mode in self.words), "")


@dataclass(slots=True, kw_only=True)
class _Bounds:
    """What one review may take: until when on the clock of the event loop, how many at once, how many tags of registries."""

    until: float
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IMAGES_AT_ONCE))
    tags_left: int = MOST_TAGS

    def take_tag(self) -> bool:
        """Whether one more may be asked for."""
        self.tags_left -= 1
        return self.tags_left >= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """One endpoint's configuration and caches."""

    context: ApiContext
    settings: AdmissionSettings
    tags: TagCache
    event_rules: EventRules

    async def answer(self, request: web.Request) -> web.Response:
        secret, metrics = self.context.admission_token, self.context.metrics
        if secret is not None and not _admits(request, secret):
            refused = problem(401, "Unauthorized", headers={"WWW-Authenticate": 'Bearer realm="admission"'})
            refused.force_close()
            if times := self.context.refusals.times("admission"):
                log.warning("admission.refused", peer=request.remote, times=times)
            metrics.count_admission("refused", UNAUTHORIZED)
            return refused
        started = time.monotonic()
        try:
            review = parse_review(await request.read())
        except MalformedReviewError as error:
            metrics.count_admission("refused", error.reason)
            return problem(400, "Not an AdmissionReview", detail=str(error), reason=error.reason)
        bounds = _Bounds(until=asyncio.get_running_loop().time() + self.context.limits.review_seconds)
        found = await asyncio.gather(*(self._image(image, bounds) for image in review.images))
        said = dict(zip(review.images, found, strict=True))
        worst_first = sorted(enumerate(said.items()), key=lambda item: DECISIONS.index(item[1][1].decision))
        notes = {
            f"image-{index}": f"{image[:NAMED_CHARACTERS]}: {NOTES[each.decision]}"
            for index, (image, each) in worst_first[:MOST_NOTES]
        }
        if len(said) > MOST_NOTES:
            notes["more-images"] = f"{len(said) - MOST_NOTES}, none of them with a worse answer"
        answer = Answer(
            denials=[sentence for each in said.values() for sentence in each.denials],
            warnings=[sentence for each in said.values() for sentence in each.warnings],
            notes=notes,
        )
        body = render(review, answer)
        taken = time.monotonic() - started
        metrics.count_admission(*_in_all(list(said.values()), allowed=body["response"]["allowed"]), taken)
        log.info(
            "admission.answered",
            uid=review.uid[:NAME_CHARACTERS],
            kind=review.kind[:NAME_CHARACTERS],
            namespace=review.namespace,
            name=review.name,
            user=review.user,
            allowed=body["response"]["allowed"],
            images=[
                {"image": image[:NAMED_CHARACTERS], "decision": each.decision, "reason": each.reason}
                for _, (image, each) in worst_first[:NAMED_IMAGES]
            ],
            more_images=max(0, len(said) - NAMED_IMAGES),
            denials=len(answer.denials),
            warnings=len(answer.warnings),
            seconds=round(taken, 4),
        )
        return web.json_response(body)

    async def _image(self, image: str, bounds: _Bounds) -> _Said:
        """Everything that can go wrong becomes `on_unknown`: an error is never an allow of its own."""
        said, text = _Said(), image[:NAMED_CHARACTERS]
        try:
            async with asyncio.timeout_at(bounds.until), bounds.turns:
                await self._judge(text, parse_reference(image), said, bounds)
        except TimeoutError:
            said.add(self.settings.on_unknown, TIMED_OUT, f"{text}: unknown: no answer in time")
        except InvalidReferenceError as error:
            said.add(self.settings.on_unknown, error.reason, f"{text}: unknown: {error}")
        except WatcherError as error:
            said.add(self.settings.on_unknown, error.reason, f"{text}: unknown: {error.reason}")
        return said

    async def _judge(self, text: str, reference: Reference, said: _Said, bounds: _Bounds) -> None:
        """1. Which digest? 2. Rules that need nothing but the name. 3. The stored verdict of that very subject."""
        digest, why_not = reference.digest, ""
        if digest is None and reference.registry in self.context.registries.hosts:
            if self.tags.knows(reference) or bounds.take_tag():
                try:
                    digest = await self.tags.digest(reference)  # 1
                    why_not = "its registry has no such tag"
                except TimeoutError:
                    said.add(self.settings.on_unknown, TIMED_OUT, f"{text}: unknown: its registry did not answer in time")
            else:
                said.add(self.settings.on_unknown, TOO_MANY_TAGS, f"{text}: unknown: a review asks for {MOST_TAGS} tags at most")
        elif digest is None:
            why_not = f"{reference.registry} is not a configured registry"
        judgement = await self.event_rules.judge(reference, digest, self.settings.environment)  # 2
        self._outcome(text, _outcome_of(judgement.findings), judgement.findings, "", said)
        if digest is not None:
            await self._stored(text, reference, digest, said)  # 3
        elif why_not:
            said.add(self.settings.on_unjudged, NEVER_JUDGED, f"{text}: never judged: {why_not}")

    async def _stored(self, text: str, reference: Reference, digest: Digest, said: _Said) -> None:
        verdicts, settings = self.context.verdicts, self.settings
        verdict = await verdicts.latest(
            digest, registry=reference.registry, repository=reference.repository, environment=settings.environment
        )
        if verdict is None:
            other = await verdicts.latest(digest)
            where = f"{digest:.19} was never judged"
            if other is not None:
                # The same bytes failed elsewhere. They may have passed elsewhere too, but that says nothing about here.
                where = f"judged only as {other.subject.name:.60}"
                if other.subject.environment != settings.environment:
                    where += f" in environment {other.subject.environment or 'none'}"
                if other.outcome is Outcome.FAIL:
                    self._outcome(text, other.outcome, other.findings, f" [{where}]", said)
                    return
            said.add(settings.on_unjudged, NEVER_JUDGED, f"{text}: never judged: {where}")
            return
        age = self.context.clock() - verdict.evaluated_at
        # How old a verdict is that a clock dated ahead, nobody knows.
        if verdict.outcome in (Outcome.PASS, Outcome.WARN) and abs(age) > timedelta(seconds=seconds(settings.max_age)):
            hours, old = abs(age).total_seconds() / 3600, "old" if age > timedelta() else "ahead of the clock"
            sentence = f"{text}: unknown: its verdict {verdict.outcome} is {counted(round(hours), 'hour')} {old}"
            said.add(settings.on_unknown, TOO_OLD, sentence)
        self._outcome(text, verdict.outcome, verdict.findings, _pointer(verdict), said)

    def _outcome(self, text: str, outcome: Outcome, findings: tuple[Finding, ...], pointer: str, said: _Said) -> None:
        match outcome:
            case Outcome.FAIL:
                said.add("deny", outcome.value, f"{text}: fail: {_reasons(findings, Action.FAIL)}{pointer}")
            case Outcome.UNKNOWN:
                said.add(self.settings.on_unknown, outcome.value, f"{text}: unknown: {_reasons(findings, Action.UNKNOWN)}{pointer}")
            case Outcome.WARN:
                said.add("warn", outcome.value, f"{text}: warn: {_reasons(findings, Action.WARN)}{pointer}")
            case Outcome.PASS | Outcome.NOT_APPLICABLE:
                return


async def review(request: web.Request) -> web.Response:
    """404 when there is no `admission` block: an endpoint nobody asked for tells nobody what is stored."""
    admission = request.app.get(ADMISSION)
    if admission is None:
        return problem(404, "Admission is not configured", detail="add an `admission` block to the configuration")
    return await admission.answer(request)


ADMISSION: web.AppKey[Admission] = web.AppKey("admission", Admission)


def answers(settings: AdmissionSettings) -> Mapping[str, Collection[str]]:
    """What a review may be answered by these settings: the reasons of each decision that are met in practice."""
    reasons: dict[str, set[str]] = {
        "allowed": {"", NO_IMAGE},
        "warned": {Outcome.WARN.value, Outcome.FAIL.value},
        "denied": {Outcome.FAIL.value},
        "refused": {UNAUTHORIZED, MalformedReviewError.reason},
    }
    for mode, words in ((settings.on_unknown, UNKNOWN_FOR), (settings.on_unjudged, (NEVER_JUDGED,))):
        for decision in ANSWERED_BY[mode]:
            reasons[decision].update(words)
    return reasons


def install(app: web.Application) -> None:
    """Give the application its endpoint's state, when it is configured."""
    context = app[CONTEXT]
    if context.admission is not None:
        app[ADMISSION] = Admission(
            context=context,
            settings=context.admission,
            tags=TagCache(context.registries.head, context.limits.resolve_seconds),
            event_rules=EventRules(context.evaluator, context.clock),
        )


def _admits(request: web.Request, secret: Secret) -> bool:
    in_path = secret.matches(request.match_info.get("token") or "")
    in_header = bears(request, secret)
    return in_path or in_header


def _reasons(findings: tuple[Finding, ...], action: Action) -> str:
    named = [finding for finding in findings if finding.action is action and finding.excepted_by is None]
    text = "; ".join(f"{finding.rule}: {finding.message}" for finding in named[:NAMED_FINDINGS])
    more = len(named) - NAMED_FINDINGS
    return (text or "see its verdict") + (f" (and {more} more)" if more > 0 else "")


def _outcome_of(findings: tuple[Finding, ...]) -> Outcome:
    """What these findings alone amount to: nothing was inspected, so that finding nothing is no pass, but says nothing either."""
    counted = (finding.action for finding in findings if finding.excepted_by is None and finding.action is not Action.NOTE)
    return worst(Outcome(action.value) for action in counted)


def _pointer(verdict: Verdict) -> str:
    reason = f" [{verdict.reason:.100}]" if verdict.reason else ""
    return f"{reason} (verdict {verdict.id})"


def _in_all(said: Sequence[_Said], *, allowed: bool) -> tuple[str, str]:
    """Decision and reason of a review: those of the worst image; what would be denied in a pod is only warned of in a workload."""
    if not said:
        return "allowed", NO_IMAGE
    worst_image = min(said, key=lambda each: DECISIONS.index(each.decision))
    return "warned" if allowed and worst_image.decision == "denied" else worst_image.decision, worst_image.reason
