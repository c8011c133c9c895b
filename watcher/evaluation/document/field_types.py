"""What the table of the inspection document is made of."""

from dataclasses import dataclass

Path = tuple[str, ...]
"""What an expression reads: names from a variable downwards."""
ELEMENT = "*"
"""Stands in a path for any element of a list or map: `("base", "froms", "*", "ref")`."""
LENGTH = "#"
"""Ends the path of a list of which only the number of its elements matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """`type` is a scalar, `timestamp`, `map` (text to text), `Severity` or the name of a message of this table.

    `sections` are needed in addition to those of what contains the field, `value_sections` only by a rule that does not ask
    `has()`. `kept_per_item`: where unset, the item's value was not kept, and a rule that reads it without asking `has()` first is
    undecided for that item.
    """

    name: str
    type: str
    about: str
    repeated: bool = False
    optional: bool = False
    sections: tuple[str, ...] = ()
    value_sections: tuple[str, ...] = ()
    kept_per_item: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What `each` can go through: the message of one item, its section, and the CEL of a finding's key where a rule has none.

    `{0}` in `key` stands for the rule's variable. `besides` are further sections without which nothing can be said of all items.
    """

    message: str
    section: str
    key: str
    besides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A name that every expression can read. Without sections it is always known."""

    message: str
    about: str
    sections: tuple[str, ...] = ()
