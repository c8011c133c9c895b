"""Writes tests/golden/official-images.jsonl.gz: configurations as builders make them of the Dockerfiles of official images.

    python tools/official_images.py FOLDER...

Each folder is a checkout of an image's repository (docker-library/python, nodejs/docker-node, …); of each the newest Dockerfiles of
a few variants are taken. Nothing is built: variables and steps are written down as BuildKit writes them, those of the last stage.
The file is what bench/secret_precision.py measures the search for secrets on.
"""

import gzip
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "official-images.jsonl.gz"
VARIANTS_A_REPOSITORY = 3

_HEREDOC = re.compile(r"<<-?[\"']?(\w+)[\"']?")
_REFERENCE = re.compile(r"\$(?:\{(\w+)(?::?[-+][^}]*)?\}|(\w+))")
_NOT_AN_IMAGE = re.compile(r"template|windows|(?:^|/)\.|buildx|onbuild")
_NUMBER = re.compile(r"\d+")


def main() -> None:
    lines = []
    for folder in map(Path, sys.argv[1:]):
        for path in _newest(folder):
            name = f"{folder.name}/{path.relative_to(folder)}"
            lines.append(json.dumps({"dockerfile": name, **configuration(path.read_text())}))
    GOLDEN.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def _newest(folder: Path) -> list[Path]:
    """Of the Dockerfiles that differ in nothing but numbers the last one: a variant each."""
    newest: dict[str, Path] = {}
    paths = (path for path in folder.rglob("Dockerfile*") if path.is_file())
    for path in sorted(paths, key=lambda path: [int(number) for number in _NUMBER.findall(str(path))]):
        name = str(path.relative_to(folder))
        if _NOT_AN_IMAGE.search(name) is None:
            newest[_NUMBER.sub("", name)] = path
    return sorted(newest.values())[:VARIANTS_A_REPOSITORY]


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Instruction and arguments, with continued lines joined and comments left out."""
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        whole = [line]
        while whole[-1].rstrip().endswith("\\"):
            following = next(lines, "")
            if not following.lstrip().startswith("#"):
                whole.append(following)
            elif not whole[-1].rstrip().endswith("\\"):
                break
        joined = " ".join(part.rstrip().removesuffix("\\") if place < len(whole) - 1 else part for place, part in enumerate(whole))
        if (heredoc := _HEREDOC.search(joined)) is not None:
            for inner in lines:
                joined += "\n" + inner
                if inner.strip() == heredoc[1]:
                    break
        word, _, rest = joined.strip().partition(" ")
        yield word.upper(), rest.strip()


def configuration(dockerfile: str) -> dict[str, Any]:
    """An image configuration: `config` and `history`."""
    env: dict[str, str] = {}
    arguments: dict[str, str] = {}
    config: dict[str, Any] = {}
    labels: dict[str, str] = {}
    history: list[dict[str, Any]] = []
    shell = "/bin/sh -c"

    def filled(text: str) -> str:
        known = arguments | env
        return _REFERENCE.sub(lambda found: known.get(found[1] or found[2], ""), text)

    for word, rest in instructions(dockerfile):
        if word == "FROM":
            env, config, labels, history, shell = {}, {}, {}, [], "/bin/sh -c"
            continue
        step = {"created_by": f"{word} {rest}", "comment": "buildkit.dockerfile.v0"}
        if word == "ARG":
            name, _, value = rest.partition("=")
            arguments[name] = filled(value.strip("\"'"))
        elif word == "ENV":
            pairs = _pairs(rest)
            env |= {name: filled(value) for name, value in pairs.items()}
            step["created_by"] = "ENV " + " ".join(f"{name}={env[name]}" for name in pairs)
        elif word == "LABEL":
            labels |= {name: filled(value) for name, value in _pairs(rest).items()}
        elif word in ("CMD", "ENTRYPOINT"):
            config["Cmd" if word == "CMD" else "Entrypoint"] = json.loads(rest) if rest.startswith("[") else ["/bin/sh", "-c", rest]
        elif word == "SHELL":
            shell = " ".join(json.loads(rest))
        elif word == "WORKDIR":
            config["WorkingDir"] = filled(rest)
        elif word == "USER":
            config["User"] = filled(rest)
        elif word == "RUN":
            given = f"|{len(arguments)} " + "".join(f"{name}={value} " for name, value in arguments.items()) if arguments else ""
            step["created_by"] = f"RUN {given}{shell} {rest} # buildkit"
        history.append(step if word in ("RUN", "COPY", "ADD", "WORKDIR") else {**step, "empty_layer": True})
    config |= {"Env": [f"{name}={value}" for name, value in env.items()]} | ({"Labels": labels} if labels else {})
    return {"config": config, "history": history}


def _pairs(rest: str) -> dict[str, str]:
    first = rest.split(maxsplit=1)
    if "=" not in first[0]:
        return {first[0]: first[1] if len(first) > 1 else ""}
    return dict(part.partition("=")[::2] for part in shlex.split(rest))


if __name__ == "__main__":
    main()
