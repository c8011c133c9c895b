"""Fields of a JSON object from strangers, taken as Go's encoding/json takes them into a struct.

Null is absent; any other shape than the expected one is an error that names its place.
"""

from dataclasses import dataclass, field
from typing import Any

from watcher.model.errors import InvalidManifestError

_SHAPES = {bool: "a truth value", int: "a whole number", float: "a number", str: "a text", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """One object. `place` is where it stands, as in `manifest.layers[2]`; every reader raises InvalidManifestError."""

    place: str
    values: dict[str, Any] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str) -> str:
        """Empty when absent."""
        return str(self._taken(name, str, ""))

    def whole(self, name: str) -> int:
        """A whole number, not negative. Raises also when it is absent."""
        value = self._taken(name, int, -1)
        if isinstance(value, bool) or value < 0:
            raise self._wrong(name, "a whole number")
        return int(value)

    def flag(self, name: str) -> bool:
        return bool(self._taken(name, bool, False))

    def texts(self, name: str) -> tuple[str, ...]:
        values = self._taken(name, list, [])
        if not all(value is None or isinstance(value, str) for value in values):
            raise self._wrong(name, "a list of texts")
        return tuple(value or "" for value in values)

    def strings(self, name: str) -> dict[str, str]:
        values = self._taken(name, dict, {})
        if not all(value is None or isinstance(value, str) for value in values.values()):
            raise self._wrong(name, "an object of texts")
        return {key: value or "" for key, value in values.items()}

    def names(self, name: str) -> tuple[str, ...]:
        """A set, which is written as an object of empty objects; sorted."""
        return tuple(sorted(self._taken(name, dict, {})))

    def object(self, name: str) -> "Fields":
        """Without fields when absent."""
        return Fields(place=f"{self.place}.{name}", values=self._taken(name, dict, {}))

    def objects(self, name: str, *, at_most: int) -> list["Fields"]:
        """None of them when absent."""
        values = self._taken(name, list, [])
        if len(values) > at_most:
            raise InvalidManifestError(f"{self.place} has {len(values)} {name}, at most {at_most} are read")
        if not all(isinstance(value, dict) for value in values):
            raise self._wrong(name, "a list of objects")
        return [Fields(place=f"{self.place}.{name}[{index}]", values=value) for index, value in enumerate(values)]

    def _taken(self, name: str, shape: type, absent: Any) -> Any:
        value = self.values.get(name)
        if value is None:
            return absent
        if not isinstance(value, shape):
            raise self._wrong(name, _SHAPES[shape])
        return value

    def _wrong(self, name: str, expected: str) -> InvalidManifestError:
        value = self.values.get(name)
        found = "nothing" if value is None else _SHAPES[type(value)]
        detail = f" {value}" if isinstance(value, int) else ""
        return InvalidManifestError(f"{self.place}.{name} is {found}{detail}, expected {expected}")
