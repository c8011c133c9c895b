"""What the search for secrets says of configurations like those of official images, as they are and with credentials put in.

    python bench/secret_precision.py

As they are they have none, so whatever is reported is false. Then each of PLACES gets a credential of its own, and what is reported
is held against them, by fingerprint. The configurations are made by tools/official_images.py.
"""

import base64
import gzip
import json
import random
import string
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.results import Result, told
from watcher.inspection.image.config_secrets import config_secrets
from watcher.inspection.image.config_texts import other_texts
from watcher.inspection.secrets.rules import SecretRules
from watcher.model.image_json import parse_config
from watcher.model.inventory import Secret

LEAST_PRECISION = 0.95
GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden" / "official-images.jsonl.gz"
RULES = SecretRules.load(b"bench")

Configuration = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Of `images` configurations: findings of credentials that are there, findings of none, and those that nobody found."""

    images: int
    true: int
    false: tuple[str, ...]
    missed: tuple[str, ...]

    @property
    def precision(self) -> float:
        return self.true / (self.true + len(self.false))


def configurations() -> list[Configuration]:
    return [json.loads(line) for line in gzip.decompress(GOLDEN.read_bytes()).splitlines()]


def searched(configuration: Configuration) -> tuple[Secret, ...]:
    raw = json.dumps(configuration).encode()
    return config_secrets(parse_config(raw), RULES, other_texts("config", raw)).secrets


def measured(given: list[Configuration]) -> Measure:
    """The same credentials in every run."""
    numbers = random.Random(20261128)
    true, false, missed = 0, [], []
    for configuration in given:
        name = configuration["dockerfile"]
        false += [f"{name}: {each.where} {each.hit.path}: {each.hit.rule}" for each in searched(configuration)]
        planted: dict[str, str] = {}
        for place, (make, put) in PLACES.items():
            value = make(numbers)
            put(configuration, value)
            planted[RULES.fingerprint(value.encode())] = place
        found = {each.hit.fingerprint for each in searched(configuration)}
        true += len(found & planted.keys())
        missed += [f"{name}: {place}" for fingerprint, place in planted.items() if fingerprint not in found]
    return Measure(images=len(given), true=true, false=tuple(false), missed=tuple(missed))


def _password(numbers: random.Random) -> str:
    """As people choose them: two words and a number."""
    words = ("Sommer", "falke", "rosebud", "Winter", "hafen", "copper")
    return f"{numbers.choice(words)}-{numbers.choice(words)}{numbers.randrange(10_000):04}"


def _key(numbers: random.Random) -> str:
    return "AKIA" + "Q7" + "".join(numbers.choices(string.ascii_uppercase + string.digits, k=14))


def _github(numbers: random.Random) -> str:
    return "ghp_a7Q" + "".join(numbers.choices(string.ascii_letters + string.digits, k=33))


def _hex(numbers: random.Random) -> str:
    return f"{numbers.getrandbits(256):064x}"


def _pem_body(numbers: random.Random) -> str:
    """The beginning of a private key, which is what is fingerprinted."""
    return base64.b64encode(numbers.randbytes(384)).decode()


def _in_base64(body: str) -> str:
    lines = "\n".join(body[first : first + 64] for first in range(0, len(body), 64))
    return base64.b64encode(f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n".encode()).decode()


def _variable(name: str, form: Callable[[str], str] = str) -> Callable[[Configuration, str], None]:
    return lambda image, value: image["config"].setdefault("Env", []).append(f"{name}={form(value)}")


def _step(text: str) -> Callable[[Configuration, str], None]:
    return lambda image, value: image["history"].append({"created_by": text.format(value)})


def _label(name: str) -> Callable[[Configuration, str], None]:
    return lambda image, value: image["config"].setdefault("Labels", {}).update({name: value})


def _command(field: str, *words: str) -> Callable[[Configuration, str], None]:
    return lambda image, value: image["config"].update({field: [word.format(value) for word in words]})


PLACES: Mapping[str, tuple[Callable[[random.Random], str], Callable[[Configuration, str], None]]] = {
    "password in a variable": (_password, _variable("POSTGRES_PASSWORD")),
    "key id in a variable": (_key, _variable("AWS_ACCESS_KEY_ID")),
    "token in a variable": (_github, _variable("HOMEBREW_GITHUB_API_TOKEN")),
    "hexadecimal key in a variable": (_hex, _variable("APP_ENCRYPTION_KEY")),
    "address in a variable": (_password, _variable("DATABASE_URL", "postgres://app:{}@db/app".format)),
    "option of java in a variable": (_password, _variable("JAVA_OPTS", "-Xmx1g -Ddb.password={}".format)),
    "private key in base64 in a variable": (_pem_body, _variable("TLS_KEY", _in_base64)),
    "token in a label": (_github, _label("com.example.build")),
    "password in a label": (_password, _label("com.example.db-password")),
    "build argument": (_password, _step("RUN |2 NPM_TOKEN={} V=1 /bin/bash -o pipefail -c npm ci # buildkit")),
    "variable of a command": (_password, _step("RUN /bin/sh -c DB_PASSWORD='{}' make migrate # buildkit")),
    "option of a command": (_password, _step("RUN /bin/sh -c app --admin-password {} init # buildkit")),
    "user of curl": (_password, _step("RUN /bin/sh -c curl -fsS -u deploy:{} https://example.org/x.tgz | tar xz # buildkit")),
    "password of chpasswd": (_password, _step("RUN /bin/sh -c echo 'root:{}' | chpasswd # buildkit")),
    "entry point": (_password, _command("Entrypoint", "app", "--password", "{}")),
    "command": (_key, _command("Cmd", "sh", "-c", "export K={}; app")),
}


def main() -> int:
    measure = measured(configurations())
    for line in (*measure.false, *measure.missed):
        print(line)
    places = len(PLACES)
    if measure.missed:
        print("missed:", dict(Counter(line.rpartition(": ")[2] for line in measure.missed)))
    what, planted = f"secrets in {measure.images} configurations of official images", measure.images * places
    return told(
        Result(what=f"{what}, false", unit="findings", ours=len(measure.false), most=0),
        Result(what=f"{what}, found", unit="findings", ours=measure.true, against="put in", other=planted, least=1, of_ratio=True),
        Result(what=f"{what}, precision", unit="of 1", ours=measure.precision, least=LEAST_PRECISION),
    )


if __name__ == "__main__":
    sys.exit(main())
