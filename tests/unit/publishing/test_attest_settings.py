"""What can be asked for."""

from pathlib import Path

import pytest

from tests.doubles.verdicts import a_verdict
from watcher import settings as configuration
from watcher.model.errors import ConfigurationError
from watcher.model.verdict import Outcome
from watcher.pipeline.routing import publishers_of
from watcher.publishers import routes_of


def load(folder: Path, publisher: str) -> configuration.Settings:
    (folder / "watcher.yaml").write_text(f"publish: [{{type: referrer, {publisher}}}]")
    return configuration.load(folder / "watcher.yaml")


@pytest.mark.parametrize("outcome", ["fail", "unknown", "not-applicable"])
def test_only_what_may_run_is_attested(tmp_path: Path, outcome: str) -> None:
    """There is no way to ask for anything else: whoever reads a bundle may take it for an approval, whatever it says."""
    with pytest.raises(ConfigurationError, match=rf"watcher\.yaml:1:\d+: publish\[0\]\.attest\[0\]: there is no '{outcome}'"):
        load(tmp_path, f'sign_with: "env:KEY", attest: [{outcome}]')


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ('sign_with: "env:KEY", renew: true', "which is nothing"),
        ("attest: [pass]", "needs a key: sign_with"),
        ('sign_with: "env:KEY", attestation_format: sigstore', "there is no 'sigstore'"),
        ('sign_with: "/run/key.pem"', "env:NAME or file:PATH"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, asked: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        load(tmp_path, asked)


def test_only_what_is_attested_is_renewed(tmp_path: Path) -> None:
    (publisher,) = load(tmp_path, 'sign_with: "env:KEY", attest: [pass, warn], renew: true').publish
    assert publisher.renews == (Outcome.PASS, Outcome.WARN)
    (publisher,) = load(tmp_path, 'sign_with: "env:KEY", attest: [pass, warn]').publish
    assert publisher.renews == ()


@pytest.mark.parametrize("outcome", list(Outcome))
def test_it_hears_of_every_verdict(tmp_path: Path, outcome: Outcome) -> None:
    """Whatever its outcomes: it has to take back what it said before. It can be down for one registry alone."""
    settings = load(tmp_path, "outcomes: [pass]")
    assert publishers_of(routes_of(settings, ()), a_verdict(outcome=outcome), None) == ["referrer"]
    (publisher,) = settings.publish
    assert publisher.in_registry
