"""What limits what can be said about a layer, gathered by reason so that no layer can make a long list of it."""

from dataclasses import dataclass, field

from watcher.model.inventory import Problem

FILES = ("files",)
PACKAGES = ("packages",)
# What lock files list.
DECLARED = ("declared",)
SECRETS = ("secrets",)
USERS_AND_DISTRO = ("users", "distro")
# What depends on where the files of an image are.
MERGED = ("packages", "files", "users", "distro", "declared")
# Everything that is read from layers.
ALL = ("packages", "files", "secrets", "users", "distro", "declared")

OVER_BUDGET, TOO_MANY_SECRETS = "over-budget", "too-many-secrets"
# Reasons that say less about the layer than about what we were ready to spend on it: such facts are not kept.
PASSING = frozenset({OVER_BUDGET})

# Long enough for the two paths of a message.
MAX_DETAIL = 1000

_Key = tuple[str, tuple[str, ...]]


@dataclass(slots=True)
class ProblemList:
    """One problem a reason and its sections: the first one's text, and how many more there were."""

    _first: dict[_Key, Problem] = field(default_factory=dict)
    _count: dict[_Key, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._first)

    def add(self, reason: str, detail: str, sections: tuple[str, ...], *, fatal: bool = False) -> None:
        key = reason, sections
        self._count[key] = self._count.get(key, 0) + 1
        if key not in self._first:
            self._first[key] = Problem(reason=reason, detail=detail[:MAX_DETAIL], sections=sections, fatal=fatal)

    def all(self) -> tuple[Problem, ...]:
        return tuple(
            Problem(
                reason=problem.reason,
                detail=problem.detail if self._count[key] == 1 else f"{problem.detail} (and {self._count[key] - 1} more)",
                sections=problem.sections,
                fatal=problem.fatal,
            )
            for key, problem in self._first.items()
        )
