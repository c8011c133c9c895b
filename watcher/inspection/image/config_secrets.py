"""Credentials in an image's configuration and manifest: variables, labels, build steps with their arguments, and every other text.

None of them needs a file of the image, and none can be deleted by a later layer. Pure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from watcher.inspection.image.config_texts import ImageText, named_texts, other_texts
from watcher.inspection.secrets.names import Named, named_value, named_values
from watcher.inspection.secrets.rules import Found, SecretRules
from watcher.inspection.workers.messages import MAX_HIDDEN
from watcher.model.errors import TooLargeError
from watcher.model.image import ImageConfig
from watcher.model.inventory import Secret, SecretHit
from watcher.model.masking import addressed, is_unlike_words, longest_first

# Found by its name alone, so it stands beside the rules of the file.
VARIABLE_RULE = "secret-variable"
VARIABLE_TITLE = "Credential in a variable"

# Of a configuration, most is what its builder put into labels: 100 KB with buildpacks. Made to be slow, 1 MiB takes 5 seconds.
MAX_TEXT_BYTES = 1024 * 1024

# More credentials than that are a list of them; the rest would tell nobody anything new.
MAX_SECRETS = 1000

# Neither a rule nor a name has a value in a shorter text that is nobody's value.
_MIN_TEXT = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSecrets:
    """What was found, each value once, and the texts that must be shown nowhere: the values, as they were written.

    Those that are `uncertain` have no look of their own. `refusal` says why nothing was looked at.
    """

    secrets: tuple[Secret, ...] = ()
    values: frozenset[str] = frozenset()
    uncertain: frozenset[str] = frozenset()
    refusal: str = ""

    @property
    def hidden(self) -> tuple[str, ...]:
        """The values that are nothing else wherever they stand, in an address too; the longest first, and not too many."""
        unlike = (value for value in self.values if is_unlike_words(value))
        return longest_first(form for value in unlike for form in addressed(value))[:MAX_HIDDEN]


def secrets_of(config: ImageConfig, raw_config: bytes, raw_manifest: bytes, rules: SecretRules) -> ConfigSecrets:
    """`config_secrets` of these documents, which are searched in what `config` has no field for; or why not."""
    try:
        return config_secrets(config, rules, chain(other_texts("config", raw_config), other_texts("manifest", raw_manifest)))
    except TooLargeError as error:
        return ConfigSecrets(refusal=str(error))


def config_secrets(config: ImageConfig, rules: SecretRules, others: Iterable[ImageText] = ()) -> ConfigSecrets:
    """Every credential in the configuration, in a variable rather than a label, a build step, or one of the `others`.

    `path` of a hit is the variable, the label, `step N`, counted from 1 through the history, or that of the other text. It is a
    credential as well when its name says so and its value is not a path, a switch or a reference. At most MAX_SECRETS.

    Raises:
        TooLargeError: more than MAX_TEXT_BYTES in all; nothing was looked at.
    """
    texts = tuple(chain(named_texts(config), others))
    if (size := sum(len(each.name) + len(each.text) for each in texts)) > MAX_TEXT_BYTES:
        raise TooLargeError(f"configuration and manifest have {size} characters of text: at most {MAX_TEXT_BYTES} are searched")
    secrets: dict[str, Secret] = {}
    values: set[str] = set()
    certain: set[str] = set()
    for each in texts:
        if len(secrets) == MAX_SECRETS:
            break
        for found in _found(each, rules):
            values |= found.written
            certain |= found.written if found.certain else frozenset()
            secrets.setdefault(found.hit.fingerprint, Secret(hit=found.hit, where=each.where, layer=None, layer_digest=None))
    listed = tuple(secrets.values())[:MAX_SECRETS]
    return ConfigSecrets(secrets=listed, values=frozenset(values), uncertain=frozenset(values - certain))


def _found(each: ImageText, rules: SecretRules) -> Iterator[Found]:
    if not each.name and len(each.text) < _MIN_TEXT:
        return
    whole = f"{each.name}={each.text}" if each.name else each.text
    known = rules.find(whole, each.path)
    # Of a private key all of the text is hidden; shown it would be without the name.
    yield from (replace(found, written=found.written | {each.text}) if whole in found.written else found for found in known)
    if each.name and not known:
        named = named_value(each.name, each.text)
        if named is not None:
            yield _by_name(named, each.path, rules)
            return
    # A value that a rule knows has been reported by it, with the same step.
    yield from (_by_name(named, each.path, rules) for named in named_values(each.text) if not rules.find(named.context, each.path))


def _by_name(named: Named, path: str, rules: SecretRules) -> Found:
    hit = SecretHit(
        rule=VARIABLE_RULE,
        title=VARIABLE_TITLE,
        path=path,
        line=None,
        fingerprint=rules.fingerprint(named.value.encode("utf-8", "replace")),
        preview="",
        confidence=named.confidence,
    )
    return Found(hit=hit, written=frozenset({named.value}), certain=False)
