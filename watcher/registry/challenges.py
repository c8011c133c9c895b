"""`WWW-Authenticate`, taken apart. Pure.

Grammar: RFC 9110 §11.6.1: a header may hold several challenges, and commas separate both challenges and their parameters.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Way = tuple[str, str, str, frozenset[str]]
"""Scheme, realm, service and scopes of a challenge."""

# Registries send one challenge with four parameters; anything near this is not meant to be read.
MAX_HEADER_LENGTH = 8192

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105  RFC 9110's word for a bare word
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*))')
_SCHEME = re.compile(rf"[\s,]*({_TOKEN})(?=[\s,]|$)")
_COMMA = re.compile(r"\s*,")
_UNREADABLE = re.compile(r"[^,]*,?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One way of authenticating. Scheme and parameter names are lower-case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def way(self) -> Way:
        """What makes answering it something else than answering the next one."""
        return self.scheme, self.parameters.get("realm", ""), self.parameters.get("service", ""), self.scopes

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes it asks for: one string, separated by spaces."""
        return frozenset(self.parameters.get("scope", "").split())


def parse_challenges(headers: Sequence[str]) -> list[Challenge]:
    """Every challenge of every `WWW-Authenticate` header, in order. What cannot be read is left out."""
    challenges: list[Challenge] = []
    for header in headers:
        text, position = header[:MAX_HEADER_LENGTH], 0
        while position < len(text):
            scheme = _SCHEME.match(text, position)
            if scheme is None:
                # Binary data of another challenge, or damage: the challenges after it are none the worse.
                position = _end(_UNREADABLE.match(text, position), len(text))
                continue
            position = scheme.end()
            parameters: dict[str, str] = {}
            while parameter := _PARAMETER.match(text, position):
                name, quoted, bare = parameter.groups()
                value = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                parameters.setdefault(name.lower(), value)
                position = parameter.end()
                # A comma, which some leave out, is followed by another parameter or by the next challenge.
                after = _end(_COMMA.match(text, position), position)
                if _PARAMETER.match(text, after) is None:
                    break
                position = after
            challenges.append(Challenge(scheme=scheme[1].lower(), parameters=parameters))
    return challenges


def _end(match: re.Match[str] | None, otherwise: int) -> int:
    return otherwise if match is None else match.end()


def scope(repository: str, *actions: str) -> str:
    """The scope of a repository as token services write it: `repository:team/app:pull,push`."""
    return f"repository:{repository}:{','.join(actions)}"


def repository_of(scope: str) -> str:
    """The repository that a scope is of; empty for others."""
    kind, _, rest = scope.partition(":")
    return rest.rpartition(":")[0] if kind == "repository" else ""


def union(scopes: frozenset[str]) -> list[str]:
    """Scopes with those of one resource merged, sorted: what a token service is asked for.

    `{repository:a:pull, repository:a:pull,push}` becomes `[repository:a:pull,push]`.
    """
    merged: dict[str, set[str]] = {}
    for item in scopes:
        name, colon, actions = item.rpartition(":")
        merged.setdefault(name + colon, set()).update(actions.split(","))
    # Some are not of this form and stay as they are: the public gallery of AWS asks for `aws`.
    return sorted(f"{name}{','.join(sorted(actions))}" for name, actions in merged.items())
