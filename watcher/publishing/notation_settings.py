"""What images that pass are signed with for verifiers of Notary Project signatures."""

import msgspec

from watcher.kit.secret import SecretReference
from watcher.kit.units import Duration, seconds


class NotationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sign as Notary Project says. Both are read at start."""

    # The private key of the first certificate, as PEM: EC on P-256, P-384 or P-521, or RSA of 2048, 3072 or 4096 bits. Whoever
    # trusts it lets run what it signed, so that nothing else may use it.
    key: SecretReference
    key_password: SecretReference | None = None  # of the key, where it has one
    # The certificates in one file, as PEM: the one to sign with first, its authority's after it, up to and including the root.
    chain: str
    # For how long after the verdict a signature holds: somebody who keeps one could attach it again later. Needs `renew`.
    expires_after: Duration | None = None

    def __post_init__(self) -> None:
        if self.expires_after is not None and self.expires_after_seconds <= 0:
            raise ValueError("expires_after: longer than nothing is wanted")

    @property
    def expires_after_seconds(self) -> float:
        return seconds(self.expires_after) if self.expires_after is not None else 0.0
