"""The process that evaluates: reads policies once, then judges one case after another. Run with `-m`, spoken to in msgpack."""

import mmap
import resource
import traceback
from collections.abc import Callable

import msgspec

from watcher.evaluation.policies.loading import PolicySources, PolicyText, from_texts
from watcher.evaluation.protocol import Case, Judgement
from watcher.evaluation.questions import decoded
from watcher.evaluation.settings import OnNoMatch
from watcher.kit.serving import Answer, Refusal, serve
from watcher.kit.shortage import shortage
from watcher.model.errors import PolicyError

# An expression can double a text thirty times. The facts of an image of three million files take about 1 GiB.
MAX_ADDRESS_BYTES = 4 * 2**30
TRACE_CHARACTERS = 4000
# An ordinary image takes a tenth of it.
ROOM_BYTES = 64 * 2**20


class Greeting(msgspec.Struct, frozen=True, kw_only=True):
    """The policies, as texts: compiled expressions do not travel."""

    texts: tuple[PolicyText, ...]
    overrides: dict[str, tuple[str, ...]]
    on_no_match: OnNoMatch


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement; or the name of the error that there is instead of one, with the end of its traceback."""

    judgement: Judgement | None = None
    error: str = ""
    trace: str = ""


def greeting_of(sources: PolicySources) -> bytes:
    greeting = Greeting(texts=sources.texts, overrides=sources.overrides, on_no_match=sources.on_no_match)
    return msgspec.msgpack.encode(greeting)


def begin(greeting: bytes) -> Answer:
    """Compile the policies of a greeting.

    Raises:
        Refusal: they are wrong; the text is that of the PolicyError.
    """
    # Imported here so that the parent, which only needs `greeting_of`, does not load the CEL library.
    from watcher.evaluation.rules.policy_set import PolicySet

    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_BYTES, MAX_ADDRESS_BYTES))
    given = msgspec.msgpack.decode(greeting, type=Greeting)
    try:
        sources = from_texts(given.texts, given.overrides, given.on_no_match)
        policies = PolicySet.compile(sources.documents.policies, revision=sources.revision, on_no_match=sources.on_no_match)
    except PolicyError as error:
        raise Refusal(str(error)) from error
    encoder = msgspec.msgpack.Encoder()

    def answer(question: bytes) -> bytes:
        return encoder.encode(answered(policies.evaluate, question))

    return answer


def answered(evaluate: Callable[[Case], Judgement], question: bytes) -> Answered:
    """What is said of one case.

    Raises:
        MemoryError: it would be the same with every image from now on: this process ends, and the next one is asked again.
    """
    try:
        judgement = evaluate(decoded(question))
    except MemoryError:
        raise
    except Exception as error:  # asking again would end the same way: the image is told so, and others are judged
        _look_for_room()
        if shortage(error):
            raise MemoryError from error
        return Answered(error=type(error).__name__, trace=traceback.format_exc(limit=-10)[-TRACE_CHARACTERS:])
    _look_for_room()
    return Answered(judgement=judgement)


def _look_for_room() -> None:
    """Raises MemoryError in a process that has no memory left: what its rules said, if anything, says nothing of the image."""
    try:
        mmap.mmap(-1, ROOM_BYTES).close()
    except OSError as error:
        raise MemoryError from error


if __name__ == "__main__":
    serve(begin)
