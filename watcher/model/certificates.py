"""X.509 certificates and keys: in the files of a layer, and of an image."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRecord:
    """One X.509 certificate as it says itself; nothing of it is verified, not even its signature.

    `position` counts from 1 in its file. Names are as in RFC 4514, times as in RFC 3339 with `Z`, both empty where none can be
    read; `self_signed` is true where subject and issuer are the same. `key_bits` are those of the modulus, or of the curve, 0 where
    that is not known. `sha256` is the fingerprint, in hexadecimal digits; without it nothing of the certificate could be read.
    """

    position: int = 0
    subject: str = ""
    issuer: str = ""
    not_before: str = ""
    not_after: str = ""
    self_signed: bool = False
    ca: bool = False
    key_algorithm: str = ""
    key_bits: int = 0
    signature_algorithm: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key, of which nothing is kept but this. `position` counts from 1 among the keys of its file.

    `kind` is `private`, `public`, `authorized` for one that lets its owner in by SSH, or `keystore` for a file of Java's or a
    PKCS #12, whatever it holds. `algorithm` is empty and `bits` is 0 where it does not tell, as where it is encrypted.
    """

    position: int = 0
    kind: str
    algorithm: str = ""
    bits: int = 0
    encrypted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFile:
    """The certificates and the keys in one file, each in its order. `type` is the cataloger's."""

    path: str
    type: str
    certificates: tuple[CertificateRecord, ...] = ()
    keys: tuple[KeyRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate of the final image. `layer` is the index of the layer that brought its file.

    Of a trust store, a file or directory with many roots, one stands for all of them: `roots` is how many, `path` the place, and in
    the record is when the first of them begins, and when the first of them ends.
    """

    record: CertificateRecord
    path: str
    layer: int
    from_base: bool = False
    roots: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of the final image. `layer` is the index of the layer that brought its file."""

    record: KeyRecord
    path: str
    layer: int
    from_base: bool = False
