"""`watcher init`: the shortest useful configuration, and what to tell the registry."""

import secrets
from pathlib import Path

import click

from watcher.cli.options import config_option, given_config
from watcher.dialects.catalog import DIALECTS
from watcher.model.errors import ConfigurationError
from watcher.model.reference import parse_host

CONFIGURATION = """\
registries: [{{host: "{registry}"}}]
sources: [{{type: webhook, dialect: {dialect}, auth: {{type: bearer, secret: "env:HOOK_SECRET"}}}}]
publish: [{{type: referrer}}]
"""

DISTRIBUTION_BLOCK = """\
notifications:
  endpoints:
    - name: watcher
      url: http://127.0.0.1:8080/hooks/distribution
      headers: {{Authorization: ["Bearer {secret}"]}}
      timeout: 1s
      threshold: 5
      backoff: 2s
      ignoredmediatypes: [application/octet-stream]
      ignore: {{actions: [pull]}}
"""


@click.command()
@click.option("--registry", default="localhost:5000", show_default=True, metavar="HOST", help="The registry to watch.")
@click.option("--dialect", default="distribution", show_default=True, metavar="NAME", help="How that registry writes its events.")
@config_option
def init(registry: str, dialect: str) -> None:
    """Write the shortest useful watcher.yaml and print the block for the other side."""
    if dialect not in DIALECTS:
        raise ConfigurationError(f"--dialect {dialect}: there are: {', '.join(sorted(DIALECTS))}")
    path = given_config() or Path("watcher.yaml")
    if path.exists():
        raise ConfigurationError(f"{path} exists already; it is left as it is")
    try:
        path.write_text(CONFIGURATION.format(registry=parse_host(registry), dialect=dialect), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from error
    secret = secrets.token_urlsafe(24)
    click.echo(f"Wrote {path}.\n", err=True)
    click.echo(f"# 1. Into the configuration of {registry} (docker-registry: /etc/docker/registry/config.yml):")
    click.echo(DISTRIBUTION_BLOCK.format(secret=secret))
    click.echo("# 2. Start the watcher with the same secret:")
    click.echo(f"export HOOK_SECRET={secret}")
    click.echo(f"watcher run -c {path}")
