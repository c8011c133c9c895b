"""Texts of the configuration without the secrets that were found in them.

A finding of a secret names the variable, label or build step, not the value, and of a value that stands in several places only the
first is reported. So whatever could repeat a part of such a text is hidden as a whole: rather too little is shown than a secret.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from watcher.model.image import ImageConfig
from watcher.model.inventory import Secret

MASKED = "***"

_WORD = re.compile(r"[A-Za-z0-9]+")
# Words that builders write into every step.
_BUILDERS_WORDS = frozenset(
    {"bin", "sh", "nop", "buildkit", "run", "copy", "add", "cmd", "entrypoint", "env", "arg", "label", "in"}
)
# A shorter word of a secret is a word of anything; other variables and labels are only hidden for what is long enough to be one.
_MIN_STEP_WORD, _MIN_VALUE_WORD = 2, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Masking:
    """What must not be shown: `env` and `labels` by name, steps by place from 0, and texts that share a word with any of them."""

    env: frozenset[str]
    labels: frozenset[str]
    steps: frozenset[int]
    words: frozenset[str]

    def step(self, text: str, place: int | None = None) -> str:
        """A build step or its arguments."""
        return MASKED if place in self.steps or self._shares(text, _MIN_STEP_WORD) else text

    def value(self, text: str) -> str:
        """Any other text of the configuration."""
        return MASKED if self._shares(text, _MIN_VALUE_WORD) else text

    def values(self, texts: Iterable[str]) -> list[str]:
        return [self.value(text) for text in texts]

    def variables(self, env: Mapping[str, str]) -> dict[str, str]:
        return {name: MASKED if name in self.env else self.value(text) for name, text in env.items()}

    def labelled(self, labels: Mapping[str, str]) -> dict[str, str]:
        return {name: MASKED if name in self.labels else self.value(text) for name, text in labels.items()}

    def _shares(self, text: str, length: int) -> bool:
        return bool(self.words) and any(len(word) >= length and word in self.words for word in _words(text))


def masking_of(config: ImageConfig, secrets: Sequence[Secret]) -> Masking:
    """What the secrets that were found make unfit to be shown. A step whose number cannot be read hides all steps."""
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
    words = {word for text in hidden for word in _words(text)} - _BUILDERS_WORDS
    return Masking(env=env, labels=labels, steps=frozenset(steps), words=frozenset(words))


def _words(text: str) -> Iterable[str]:
    return (word if not word.isalpha() else word.lower() for word in _WORD.findall(text))


def masked_config(config: ImageConfig, masking: Masking) -> ImageConfig:
    """The configuration as it may be stored and shown."""
    env = dict(variable.partition("=")[::2] for variable in config.env)
    return replace(
        config,
        env=tuple(f"{name}={value}" for name, value in masking.variables(env).items()),
        labels=masking.labelled(config.labels),
        entrypoint=tuple(masking.values(config.entrypoint)),
        cmd=tuple(masking.values(config.cmd)),
        healthcheck=tuple(masking.values(config.healthcheck)),
        shell=tuple(masking.values(config.shell)),
        history=tuple(
            replace(step, created_by=masking.step(step.created_by, place), comment=masking.value(step.comment))
            for place, step in enumerate(config.history)
        ),
    )
