"""`watcher init`: the shortest useful configuration, and what to tell the registry."""

import json
import secrets
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from watcher import settings as configuration
from watcher.cli import completing
from watcher.cli.init_dialects import SETUPS, TYPES, dialect_of
from watcher.cli.init_print import print_again
from watcher.cli.init_values import ELSEWHERE, HERE, amazon_of, base_of, broker_of
from watcher.cli.init_ways import chosen_dialect, chosen_type, filled, has_own_secret, losses_of, source_of, text_of
from watcher.cli.options import config_option, given_config, is_quiet, output_option
from watcher.cli.terminal import is_terminal
from watcher.kit.suggestions import one_of
from watcher.model.errors import ConfigurationError
from watcher.model.reference import Host, parse_host
from watcher.registry.settings import KINDS_WITHOUT_CATALOG, is_loopback, kind_of

SCHEMA = "watcher.schema.json"
CONFIGURATION = """\
# yaml-language-server: $schema={schema}
registries: [{{host: "{host}"{kind}}}]
sources: [{{type: {type}, dialect: {dialect}, {source}}}]
publish: [{{type: referrer}}]
"""
WIDTH = 100


@click.command()
@click.option("--registry", metavar="HOST", help="The registry to watch; else an example of what the dialect is spoken by.")
@click.option(
    "--dialect",
    metavar="NAME",
    shell_complete=completing.dialects,
    help="How that registry writes its events; else what its host tells, or distribution.",
)
@click.option("--type", "type_", type=click.Choice(TYPES), help="By what way its events come; else the dialect's usual one.")
@click.option("--url", metavar="URL", help=f"How senders reach the watcher; else {HERE} or, for a registry elsewhere, {ELSEWHERE}.")
@click.option("--print", "again", is_flag=True, help="Write nothing: print what to do at the other side of what is configured.")
@output_option
@config_option
def init(registry: str | None, dialect: str | None, type_: str | None, url: str | None, again: bool, output: str) -> None:
    """Write the shortest useful watcher.yaml and print what to do at the other side."""
    if again:
        if registry or dialect or type_:
            raise ConfigurationError("--print: the configuration says which registry, dialect and type; only --url may be given")
        print_again(url, output)
        return
    told = None if registry is None else dialect_of(parse_host(registry))
    chosen = chosen_dialect(dialect, told, type_, has_registry=registry is not None)
    setup = SETUPS.get(chosen)
    if setup is None:
        raise ConfigurationError(f"--dialect {chosen}: {one_of(chosen, SETUPS)}")
    way = chosen_type(chosen, type_)
    if url is not None and way != "webhook":
        raise ConfigurationError(f"--url: nothing reaches the watcher by {way}; it is for --type webhook")
    host = parse_host(registry or setup.registry)
    base = base_of(url, HERE if is_loopback(host) else ELSEWHERE)
    path = given_config() or Path("watcher.yaml")
    secret = secrets.token_hex(24)
    source = source_of(setup, way)
    hook = f"{base}/hooks/{chosen}/{secret}" if "path-token" in source else f"{base}/hooks/{chosen}"
    values = {"registry": host, "url": hook, "secret": secret, "label": host.partition(".")[0], "file": str(path)}
    values |= amazon_of(host if chosen == "ecr" else Host(SETUPS["ecr"].registry)) | broker_of(host) | {"user": setup.user}
    kind = f", kind: {setup.kind}" if setup.kind and kind_of(host) != setup.kind else ""
    parts = {"host": host, "kind": kind, "type": way, "dialect": chosen, "source": filled(source, values)}
    _write(path, CONFIGURATION.format(schema=SCHEMA, **parts))
    schema = _write_schema(path.with_name(SCHEMA))
    if not is_quiet():
        click.echo(f"Wrote {path}, for {setup.name}. {schema}", err=True)
    if dialect is None and told is None and not is_quiet():
        others = f"For another sender, --dialect NAME: {', '.join(sorted(SETUPS))}."
        click.echo(textwrap.fill(others, WIDTH) if is_terminal(stderr=True) else others, err=True)
    own_secret = secret if has_own_secret(setup, way) else ""
    start, sweep = list(_start(way, base, own_secret, path)), list(_sweep(losses_of(chosen, way), host, path))
    text = "\n".join([filled(text_of(chosen, way), values), *start, *sweep])
    if output == "json":
        click.echo(json.dumps({"file": str(path), "registry": host, "dialect": chosen, "type": way, "text": text}))
        return
    if not is_quiet():
        click.echo(err=True)
    click.echo(text)


def _write(path: Path, configuration: str) -> None:
    """Raises ConfigurationError when there is something already, or it cannot be written."""
    try:
        with path.open("x", encoding="utf-8") as opened:
            opened.write(configuration)
    except FileExistsError as error:
        raise ConfigurationError(f"{path} exists already; it is left as it is") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from error


def _write_schema(path: Path) -> str:
    """What is to be said of it. One that is there stays, whatever it is."""
    text = json.dumps(configuration.schema()) + "\n"
    try:
        is_ours = path.read_text(encoding="utf-8") == text
    except FileNotFoundError:
        _write(path, text)
        is_ours = True
    except (OSError, ValueError):
        is_ours = False
    if is_ours:
        return f"Editors complete and explain it by {path.name} beside it."
    return f"{path.name} beside it was there and stays as it is; `watcher config schema` prints that of this version."


def _start(way: str, base: str, secret: str, path: Path) -> Iterator[str]:
    if way == "mqtt":
        yield from ("# 2. Start the watcher with its password:", f"export MQTT_PASSWORD={secret}")
    elif way != "webhook":
        yield "# 2. Start the watcher with credentials of the cloud, as its command line tool finds them:"
    elif secret:
        yield from ("# 2. Start the watcher with the same secret:", f"export HOOK_SECRET={secret}")
    else:
        yield "# 2. Start the watcher with credentials of the cloud, as its command line tool finds them, for the registry:"
    yield f"watcher run -c {path}"
    if way == "webhook" and base != HERE:
        yield f"# It listens on 127.0.0.1:8080. {base} is to be a proxy with TLS before it, or see `server` in the reference."


def _sweep(losses: Sequence[str], host: Host, path: Path) -> Iterator[str]:
    """What no sender tells."""
    yield from (f"# {'3.' if number == 0 else '  '} {sentence}" for number, sentence in enumerate(losses))
    yield f"#    A sweep finds what no event told; add to `sources` in {path}:"
    yield f'#    {{type: sweep, registry: "{host}", repositories: ["{_swept(host)}"], every: 15m}}'


def _swept(host: Host) -> str:
    """Repositories of whoever lists none have to be named one by one."""
    return "my-org/app" if kind_of(host) in KINDS_WITHOUT_CATALOG else "team/**"
