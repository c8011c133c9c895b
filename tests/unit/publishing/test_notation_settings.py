"""What is wrong with keys and certificates to sign images with is found at the start, and by `watcher config check`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.doubles.notaries import CODE_SIGNING, Chain, Issued, a_chain, issued, usage, written_chain
from tests.doubles.publishing import publisher_context
from tests.doubles.verdicts import MOMENT
from watcher import settings as configuration
from watcher.cli.app import main
from watcher.model.errors import ConfigurationError
from watcher.publishing.notation import notary
from watcher.publishing.notation_settings import NotationSettings
from watcher.publishing.referrer import ReferrerPublisher
from watcher.publishing.settings import ReferrerPublisherSettings

ROOT = issued("root", ca=True)
BETWEEN = issued("between", ROOT, ca=True)
WEAK_ROOT = issued("root", ca=True, path_length=0)
LEAF = issued("leaf", ROOT)
TLS = (ExtendedKeyUsageOID.SERVER_AUTH,)

WRONG: dict[str, tuple[Callable[[], list[Issued]], str]] = {
    "another kind of key": (lambda: [issued("leaf", ROOT, key=ed25519.Ed25519PrivateKey.generate()), ROOT], "of another kind"),
    "another curve": (lambda: [issued("leaf", ROOT, key=ec.generate_private_key(ec.SECP256K1())), ROOT], "of another kind"),
    "a short key": (lambda: [issued("leaf", ROOT, key=rsa.generate_private_key(65537, 1024)), ROOT], "RSA key of 2048"),
    "an odd key": (lambda: [issued("leaf", ROOT, key=rsa.generate_private_key(65537, 2560)), ROOT], "RSA key of 2048"),
    "an authority": (lambda: [BETWEEN, ROOT], "CN=between,C=DE: is an authority's"),
    "no code": (lambda: [issued("leaf", ROOT, extended=()), ROOT], "extendedKeyUsage is codeSigning alone"),
    "TLS": (lambda: [issued("leaf", ROOT, extended=TLS), ROOT], "extendedKeyUsage is codeSigning alone"),
    "TLS too": (lambda: [issued("leaf", ROOT, extended=(*CODE_SIGNING, *TLS)), ROOT], "extendedKeyUsage is codeSigning alone"),
    "no signature": (lambda: [issued("leaf", ROOT, key_usage=usage("content_commitment")), ROOT], "keyUsage is digitalSignature"),
    "more than that": (
        lambda: [issued("leaf", ROOT, key_usage=usage("digital_signature", "key_encipherment")), ROOT],
        "keyUsage is digitalSignature alone",
    ),
    "not critical": (lambda: [issued("leaf", ROOT, usage_critical=False), ROOT], "marked critical"),
    "no root": (lambda: [issued("leaf", BETWEEN), BETWEEN], "CN=between,C=DE: is the last one and no root"),
    "no chain": (lambda: [issued("leaf", BETWEEN)], "CN=leaf,C=DE: is the last one and no root"),
    "a gap": (lambda: [issued("leaf", BETWEEN), ROOT], "is not by the next, the certificate of CN=root,C=DE"),
    "another root": (lambda: [LEAF, issued("root", ca=True)], "is not by the next"),
    "one too many": (lambda: [LEAF, ROOT, issued("other", ca=True)], "CN=root,C=DE: is by itself, and others follow it"),
    "no authority": (lambda: _below(issued("root", ca=None)), "is no authority's"),
    "not critically": (lambda: _below(issued("root", ca=True, constraints_critical=False)), "is no authority's"),
    "signs no others": (lambda: _below(issued("root", ca=True, key_usage=usage("crl_sign"))), "keyCertSign"),
    "too deep": (
        lambda: [issued("leaf", deep := issued("deep", WEAK_ROOT, ca=True)), deep, WEAK_ROOT],
        "allows for 0 authorities below it, not 1",
    ),
    "expired": (
        lambda: [issued("leaf", ROOT, ends=MOMENT - timedelta(days=1)), ROOT],
        "CN=leaf,C=DE: has expired at 2026-11-24T10:00:00Z",
    ),
    "expired above": (
        lambda: _below(issued("root", ca=True, ends=MOMENT - timedelta(days=1))),
        "CN=root,C=DE: has expired",
    ),
    "to come": (lambda: [issued("leaf", ROOT, begins=MOMENT + timedelta(days=1)), ROOT], "is valid from 2026-11-26T10:00:00Z on"),
}


def _below(root: Issued) -> list[Issued]:
    return [issued("leaf", root), root]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_no_verifier_would_accept_is_refused(tmp_path: Path, wrong: str) -> None:
    """The message names the certificate, what was found and what is wanted."""
    make, said = WRONG[wrong]
    chain = written_chain(tmp_path, *make())
    with pytest.raises(ConfigurationError, match=str(chain.chain)) as refused:
        notary(chain.settings, MOMENT)
    assert said in str(refused.value)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_chains_of_any_depth_are_taken(tmp_path: Path, depth: int) -> None:
    """One that stands for itself among them, as `notation cert generate-test` makes it."""
    chain = [[issued("alone")], [LEAF, ROOT], [issued("leaf", BETWEEN), BETWEEN, ROOT]][depth - 1]
    signer = notary(written_chain(tmp_path, *chain).settings, MOMENT)
    assert (repr(signer), signer.problem_at(MOMENT), signer.warning_at(MOMENT)) == ("***", "", "")


def test_the_key_has_to_be_that_of_the_first(tmp_path: Path) -> None:
    first, other = a_chain(tmp_path), a_chain(tmp_path / "other")
    with pytest.raises(ConfigurationError, match="is not the key of the certificate of CN=notation,C=DE, the first in"):
        notary(NotationSettings(key=f"file:{other.key}", chain=str(first.chain)), MOMENT)


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), ("x", "no certificates in PEM")])
def test_files_that_are_none(tmp_path: Path, content: str | None, said: str) -> None:
    chain = a_chain(tmp_path)
    chain.chain.unlink() if content is None else chain.chain.write_text(content)
    with pytest.raises(ConfigurationError, match=said):
        notary(chain.settings, MOMENT)
    chain.key.write_text("x")
    with pytest.raises(ConfigurationError, match=r"is no private key in PEM; an EC key on P-256, P-384 or P-521"):
        notary(chain.settings, MOMENT)


@pytest.mark.enable_socket
async def test_it_is_found_at_the_start(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    chain.key.unlink()
    async with publisher_context(tmp_path / "w.db") as context:
        with pytest.raises(ConfigurationError, match="cannot be read"):
            ReferrerPublisher(ReferrerPublisherSettings(notation=chain.settings, attest=("pass",)), context)


def checked(folder: Path, chain: Chain, monkeypatch: pytest.MonkeyPatch) -> int:
    file = folder / "watcher.yaml"
    file.write_text(f'publish: [{{type: referrer, notation: {{key: "file:{chain.key}", chain: {chain.chain}}}, attest: [pass]}}]')
    monkeypatch.setattr("sys.argv", ["watcher", "-c", str(file), "config", "check"])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_config_check_finds_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And warns a month before something expires."""
    assert checked(tmp_path, a_chain(tmp_path), monkeypatch) == 0
    assert "notation" not in capsys.readouterr().err
    soon = written_chain(tmp_path, issued("leaf", ROOT, ends=datetime.now(UTC) + timedelta(days=20)), ROOT)
    assert checked(tmp_path, soon, monkeypatch) == 0
    assert "publish[0].notation: the certificate of CN=leaf,C=DE: expires at 2" in capsys.readouterr().err
    assert checked(tmp_path, written_chain(tmp_path, LEAF), monkeypatch) == 2
    assert ": publish[0].notation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("publisher", "said"),
    [
        ("notation: {key: 'env:K', chain: c.pem}", "notation signs what `attest` lists, which is nothing"),
        ("attest: [pass]", "attest needs a key: sign_with, or notation"),
        ("notation: {key: 'env:K'}, attest: [pass]", "`chain` is missing"),
        ("notation: {key: k.pem, chain: c.pem}, attest: [pass]", "env:NAME or file:PATH"),
        ("notation: {key: 'env:K', chain: c.pem, expires_after: 2d}, attest: [pass]", "expires_after needs `renew: true`"),
        ("notation: {key: 'env:K', chain: c.pem, expires_after: 0s}, attest: [pass], renew: true", "longer than nothing"),
    ],
)
def test_settings_that_contradict_each_other(tmp_path: Path, publisher: str, said: str) -> None:
    (tmp_path / "watcher.yaml").write_text(f"publish: [{{type: referrer, {publisher}}}]")
    with pytest.raises(ConfigurationError, match=said):
        configuration.load(tmp_path / "watcher.yaml")
