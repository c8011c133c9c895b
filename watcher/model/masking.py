"""Texts of an image without the secrets that were found in them.

A finding of a secret names the variable, label or build step, not the value, and of a value that stands in several places only the
first is reported. So of the configuration whatever could repeat a part of such a text is hidden as a whole: rather too little is
shown than a secret. Any other text has the values themselves taken out, in the forms they may be written in.
"""

import base64
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, quote_plus, unquote

from watcher.model.image import ImageConfig
from watcher.model.inventory import Secret

MASKED = "***"

_WORD = re.compile(r"[A-Za-z0-9]+")
# Words that builders write into every step.
_BUILDERS_WORDS = frozenset(
    {"bin", "sh", "nop", "buildkit", "run", "copy", "add", "cmd", "entrypoint", "env", "arg", "label", "in"}
)
_MIXED = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])", re.DOTALL)
_NUMBERED_NAME = re.compile(r"[A-Za-z]+(?:[-_.][A-Za-z]+)*[-_.]?[0-9]{1,3}")
# A shorter word of a secret is a word of anything; other variables and labels are only hidden for what is long enough to be one.
_MIN_STEP_WORD, MIN_VALUE_WORD = 2, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Masking:
    """What must not be shown: `env` and `labels` by name, steps by place from 0, texts that share a word with any of them.

    `anywhere` are the values that are like no other word, in every form; `assigned` are all, hidden where it is said that here is
    one. Both have the longest first, so that nothing of it is left behind a shorter one that it begins with.
    """

    env: frozenset[str]
    labels: frozenset[str]
    steps: frozenset[int]
    words: frozenset[str]
    anywhere: tuple[str, ...] = ()
    assigned: tuple[str, ...] = ()

    def plain(self, text: str) -> str:
        """A text without the values: a path, a name, a sentence."""
        for form in self.anywhere:
            if form in text:
                text = text.replace(form, MASKED)
        return text

    def step(self, text: str, place: int | None = None) -> str:
        """A build step or its arguments."""
        return MASKED if place in self.steps or self._shares(text, _MIN_STEP_WORD) else self.plain(text)

    def value(self, text: str) -> str:
        """Any other text of the configuration."""
        return MASKED if self._shares(text, MIN_VALUE_WORD) else self.plain(text)

    def values(self, texts: Iterable[str]) -> list[str]:
        return [self.value(text) for text in texts]

    def command(self, words: Sequence[str]) -> list[str]:
        """The words of a command, where an option's value may be the next word."""
        shown = []
        for before, word in zip(("", *words), words, strict=False):
            hidden = before.startswith("-") and word in self.assigned
            shown.append(MASKED if hidden else self.value(self._unassigned(word)))
        return shown

    def variables(self, env: Mapping[str, str]) -> dict[str, str]:
        return {self.plain(name): MASKED if name in self.env else self.value(text) for name, text in env.items()}

    def labelled(self, labels: Mapping[str, str]) -> dict[str, str]:
        return {self.plain(name): MASKED if name in self.labels else self.value(text) for name, text in labels.items()}

    def _unassigned(self, text: str) -> str:
        for value in self.assigned:
            if value in text:
                text = re.sub(rf"(?<=[=:]){re.escape(value)}(?![\w-])", MASKED, text)
        return text

    def _shares(self, text: str, length: int) -> bool:
        return bool(self.words) and any(len(word) >= length and word in self.words for word in _words(text))


def masking_of(config: ImageConfig, secrets: Sequence[Secret], values: Collection[str] = ()) -> Masking:
    """What the secrets that were found make unfit to be shown. A step whose number cannot be read hides all steps.

    `values` are their values, as far as they are known; of a configuration that is stored they are not in it any more.
    """
    env = frozenset(secret.hit.path for secret in secrets if secret.where == "env")
    labels = frozenset(secret.hit.path for secret in secrets if secret.where == "label")
    steps: set[int] = set()
    for secret in secrets:
        if secret.where == "history":
            # `step N`, from 1.
            number = re.search(r"[0-9]{1,9}", secret.hit.path)
            steps.update((int(number[0]) - 1,) if number else range(len(config.history)))
    hidden = [variable.partition("=")[2] for variable in config.env if variable.partition("=")[0] in env]
    hidden += [text for name, text in config.labels.items() if name in labels]
    hidden += [step.created_by for place, step in enumerate(config.history) if place in steps]
    words = {word for text in (*hidden, *values) for word in _words(text)} - _BUILDERS_WORDS
    unlike = [value for value in values if is_unlike_words(value)]
    return Masking(
        env=env,
        labels=labels,
        steps=frozenset(steps),
        words=frozenset(words),
        anywhere=longest_first(form for value in unlike for form in forms_of(value)),
        assigned=longest_first(values),
    )


def is_unlike_words(value: str) -> bool:
    """Whether a value is nothing else where it occurs again: long, of letters and digits, and more than a name with a number.

    `postgres` is a password in many an image, and its user, its program and its folder as well.
    """
    return len(value) >= MIN_VALUE_WORD and bool(_MIXED.search(value)) and not _NUMBERED_NAME.fullmatch(value)


def addressed(value: str) -> tuple[str, ...]:
    """As it is, as it is written in an address, and as it is in the name of a Python package."""
    python = re.sub(r"[-_.]+", "-", value).lower()
    return tuple(dict.fromkeys((value, quote(value, safe=""), quote_plus(value), unquote(value), value.lower(), python)))


def forms_of(value: str) -> Iterator[str]:
    """As it is, in an address, and in base64 where it begins there."""
    yield from addressed(value)
    yield base64.b64encode(value.encode("utf-8", "replace")).decode().rstrip("=")


def longest_first(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values), key=lambda value: (-len(value), value)))


def _words(text: str) -> Iterable[str]:
    return (word if not word.isalpha() else word.lower() for word in _WORD.findall(text))


def masked_config(config: ImageConfig, masking: Masking) -> ImageConfig:
    """The configuration as it may be stored and shown."""
    env = dict(variable.partition("=")[::2] for variable in config.env)
    plain = {name: masking.plain(getattr(config, name)) for name in ("architecture", "os", "variant", "created", "user")}
    return replace(
        config,
        **plain,
        env=tuple(f"{name}={value}" for name, value in masking.variables(env).items()),
        labels=masking.labelled(config.labels),
        entrypoint=tuple(masking.command(config.entrypoint)),
        cmd=tuple(masking.command(config.cmd)),
        working_dir=masking.plain(config.working_dir),
        exposed_ports=tuple(map(masking.plain, config.exposed_ports)),
        volumes=tuple(map(masking.plain, config.volumes)),
        healthcheck=tuple(masking.command(config.healthcheck)),
        stop_signal=masking.plain(config.stop_signal),
        shell=tuple(masking.command(config.shell)),
        diff_ids=tuple(map(masking.plain, config.diff_ids)),
        history=tuple(
            replace(step, created_by=masking.step(step.created_by, place), comment=masking.value(step.comment))
            for place, step in enumerate(config.history)
        ),
    )
