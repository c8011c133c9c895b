"""Keys as files have them: that one is there, of what kind and size."""

from base64 import b64decode, encodebytes
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)

from tests.doubles.cataloging import facts_of
from tests.doubles.certificates import pem, signed
from watcher.inspection.catalogers.x509 import X509Cataloger
from watcher.model.certificates import KeyRecord

RSA = rsa.generate_private_key(65537, 1024)
EC = ec.generate_private_key(ec.SECP384R1())
DSA = dsa.generate_private_key(1024)
ED = ed25519.Ed25519PrivateKey.generate()
PLAIN, LOCKED = NoEncryption(), BestAvailableEncryption(b"passphrase")
SIZES = [(RSA, "RSA", 1024), (EC, "EC", 384), (DSA, "DSA", 1024), (ED, "Ed25519", 256)]
NAMES = [name for _, name, _ in SIZES]


def keys(content: bytes, path: str = "etc/app/tls.key") -> tuple[KeyRecord, ...]:
    found: tuple[KeyRecord, ...] = tuple(key for listed in facts_of(X509Cataloger(), path, content) for key in listed.keys)
    assert [each.position for each in found] == [*range(1, len(found) + 1)]
    return found


@pytest.mark.filterwarnings("ignore:SSH DSA key support")
@pytest.mark.parametrize(("key", "algorithm", "bits"), SIZES, ids=NAMES)
def test_private_keys(key: Any, algorithm: str, bits: int) -> None:
    """In every form that tools write."""
    forms = (PrivateFormat.PKCS8, PrivateFormat.OpenSSH, *((PrivateFormat.TraditionalOpenSSL,) if key is not ED else ()))
    for form in forms:
        content = key.private_bytes(Encoding.PEM, form, PLAIN)
        assert keys(content) == (KeyRecord(position=1, kind="private", algorithm=algorithm, bits=bits),)


def test_encrypted_keys() -> None:
    """Of which OpenSSH tells the size all the same."""
    forms = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    told = {form: keys(RSA.private_bytes(Encoding.PEM, form, LOCKED)) for form in forms}
    plain = RSA.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, PLAIN).split(b"\n", 1)[1].partition(b"-----")[0]
    content = b64decode(plain).replace(b"\0\0\0\4none", b"\0\0\0\x0aaes256-ctr", 1)
    block = b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + encodebytes(content) + b"-----END OPENSSH PRIVATE KEY-----\n"
    told[PrivateFormat.OpenSSH] = keys(block)
    assert told == {
        PrivateFormat.PKCS8: (KeyRecord(position=1, kind="private", encrypted=True),),
        PrivateFormat.TraditionalOpenSSL: (KeyRecord(position=1, kind="private", algorithm="RSA", encrypted=True),),
        PrivateFormat.OpenSSH: (KeyRecord(position=1, kind="private", algorithm="RSA", bits=1024, encrypted=True),),
    }


@pytest.mark.filterwarnings("ignore:SSH DSA key support")
@pytest.mark.parametrize(("key", "algorithm", "bits"), SIZES, ids=NAMES)
def test_public_keys(key: Any, algorithm: str, bits: int) -> None:
    """In PEM, and as OpenSSH has them."""
    expected = KeyRecord(position=1, kind="public", algorithm=algorithm, bits=bits)
    public = key.public_key()
    assert keys(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)) == (expected,)
    assert keys(public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b" me@host\n", "root/.ssh/id.pub") == (expected,)


def test_an_rsa_public_key_of_its_own_form() -> None:
    """As PKCS #1 has it."""
    content = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    assert keys(content) == (KeyRecord(position=1, kind="public", algorithm="RSA", bits=1024),)


def test_authorized_keys() -> None:
    """Each line lets somebody in, with options before it or without; comments do not."""
    lines = [each.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) for each in (RSA, ED)]
    content = b"# " + lines[0] + b"\n\n" + lines[0] + b" a\n" + b'command="echo ssh-rsa x",no-pty ' + lines[1] + b"\n"
    assert [(each.kind, each.algorithm) for each in keys(content, "root/.ssh/authorized_keys")] == [
        ("authorized", "RSA"),
        ("authorized", "Ed25519"),
    ]
    assert keys(content, "root/.ssh/notes") == keys(content, "a.pem") == ()


def test_keystores() -> None:
    """Are listed as what they are, and not looked into."""
    store = pkcs12.serialize_key_and_certificates(b"a", RSA, signed("a", key=RSA), None, LOCKED)
    for content in (store, b"\xfe\xed\xfe\xed\0\0\0\2" + bytes(20)):
        assert keys(content, "etc/keystore.p12") == (KeyRecord(position=1, kind="keystore"),)
    assert keys(b"text", "etc/keystore.p12") == ()


def test_a_key_beside_its_certificate() -> None:
    """Each is among its own."""
    content = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, PLAIN) + pem(signed("a", key=RSA))
    (listed,) = facts_of(X509Cataloger(), "etc/app.pem", content)
    assert [each.position for each in (*listed.keys, *listed.certificates)] == [1, 1]


@pytest.mark.parametrize("name", ["id_ed25519", "ssh_host_rsa_key", "authorized_keys", "tls.key", "store.jks"])
def test_which_files_are_read(name: str) -> None:
    """By the names that tools give them."""
    assert X509Cataloger().wants(f"etc/ssh/{name}", 1)


def test_a_damaged_key_is_a_key() -> None:
    """Nobody knows of what size."""
    content = b"-----BEGIN RSA PRIVATE KEY-----\nMAow\n-----END RSA PRIVATE KEY-----\n"
    assert keys(content) == (KeyRecord(position=1, kind="private", algorithm="RSA"),)
