"""What limits what can be said about a layer, gathered by reason so that no layer can make a long list of it."""

from dataclasses import dataclass, field

from watcher.model.inventory import Problem

FILES = ("files",)
PACKAGES = ("packages",)
SECRETS = ("secrets",)
USERS_AND_DISTRO = ("users", "distro")
# What depends on where the files of an image are.
MERGED = ("packages", "files", "users", "distro")
# Everything that is read from layers.
ALL = ("packages", "files", "secrets", "users", "distro")

OVER_BUDGET = "over-budget"
# Reasons that say less about the layer than about what we were ready to spend on it: such facts are not kept.
PASSING = frozenset({OVER_BUDGET})

# Long enough for the two paths of a message.
MAX_DETAIL = 1000


@dataclass(slots=True)
class ProblemList:
    """One problem a reason: the first one's text, and how many more there were."""

    _first: dict[str, Problem] = field(default_factory=dict)
    _count: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._first)

    def add(self, reason: str, detail: str, sections: tuple[str, ...], *, fatal: bool = False) -> None:
        self._count[reason] = self._count.get(reason, 0) + 1
        if reason not in self._first:
            self._first[reason] = Problem(reason=reason, detail=detail[:MAX_DETAIL], sections=sections, fatal=fatal)

    def all(self) -> tuple[Problem, ...]:
        return tuple(
            Problem(
                reason=reason,
                detail=problem.detail if self._count[reason] == 1 else f"{problem.detail} (and {self._count[reason] - 1} more)",
                sections=problem.sections,
                fatal=problem.fatal,
            )
            for reason, problem in self._first.items()
        )
