"""What the search of one layer found, and the values, so that they can be hidden wherever else the layer has them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from watcher.inspection.secrets.rules import Found, SecretRules
from watcher.inspection.workers.messages import MAX_HIDDEN, MAX_PART_BYTES, Hidden
from watcher.model.inventory import SecretHit
from watcher.model.masking import MASKED, addressed, is_unlike_words


@dataclass(slots=True)
class FoundValues:
    """`in_file` and `outside` are what SecretStream asks."""

    rules: SecretRules
    _names: dict[str, SecretHit] = field(default_factory=dict)
    _shown: dict[str, str] = field(default_factory=dict)
    _certain: set[str] = field(default_factory=set)

    def in_file(self, rule: int, path: str, window: bytes, match_end: int, line: int | None) -> SecretHit | None:
        found = self.rules.found_at(rule, path, window, match_end, line)
        if found is None:
            return None
        self._keep(found)
        return found.hit

    def outside(self, rule: int, window: bytes, match_end: int) -> None:
        """In the name of an entry, the target of a link, an attribute: fields that end with a zero, or lines."""
        begins = max(window.rfind(b"\0", 0, match_end), window.rfind(b"\n", 0, match_end)) + 1
        ends = min(end for end in (window.find(b"\0", match_end), window.find(b"\n", match_end), len(window)) if end >= 0)
        found = self.rules.found_at(rule, "", window[begins:ends], match_end - begins, None)
        if found is not None:
            self._keep(found)
            if len(self._names) < MAX_HIDDEN:
                self._names.update(dict.fromkeys(found.written, found.hit))

    def messages(self) -> Iterator[Hidden]:
        """What is to be hidden. Values differ in what is shown instead, as they do themselves."""
        part: dict[str, str] = {}
        size = 0
        for value, shown in self._shown.items():
            part[value] = shown
            size += 4 * len(value)
            if size > MAX_PART_BYTES:
                yield self._message(part)
                part, size = {}, 0
        if part:
            yield self._message(part)

    def _message(self, part: dict[str, str]) -> Hidden:
        return Hidden(
            texts=part,
            uncertain=tuple(value for value in part if value not in self._certain),
            names={value: self._names[value] for value in part if value in self._names},
        )

    def _keep(self, found: Found) -> None:
        if found.hit.confidence == "low" and not found.certain:
            return  # made up, most likely, and other things may be called that
        for value in found.written:
            for form in addressed(value) if is_unlike_words(value) else ():
                if len(self._shown) < MAX_HIDDEN:
                    self._shown[form] = MASKED + found.hit.fingerprint
                    if found.certain:
                        self._certain.add(form)
