"""An attestation as cosign 2 keeps it: a layer of an image under the tag `sha256-HEX.att`. A part of `attestation.py`.

Kyverno's ClusterPolicy and policy-controller read this form with a key, and no other.

Spec: sigstore/cosign ATTESTATION_SPEC.md, SIGNATURE_SPEC.md "Storage".
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from watcher.model.digest import Digest, digest_of, is_digest
from watcher.model.errors import (
    NotFoundError,
    PermanentError,
    RegistryRefusedError,
    RetryableError,
)
from watcher.model.foreign_json import read_shaped
from watcher.model.image import MAX_CONFIG_BYTES, OCI_CONFIG, OCI_EMPTY, OCI_MANIFEST, Descriptor, Manifest
from watcher.model.reference import RepositoryName, Tag
from watcher.model.referrers_tag import fallback_tag
from watcher.publishing.attestation_listed import MAX_SUMMARY_BYTES, OUR_ATTESTATION, TooManyListedError, signed_summary
from watcher.publishing.dsse import ENVELOPE_TYPE, EnvelopeError, read_envelope
from watcher.publishing.protocol import OwnWrites
from watcher.publishing.signing_key import PublicKey
from watcher.publishing.statement import SUMMARY_TYPE
from watcher.registry.protocol import RegistryAccess

# Another client may write between our look and our write; eight rounds outlast any that behaves.
ROUNDS = 8
ROUND_SECONDS = 0.1
# Layers of others that are looked at for a signature of ours. An image has a few attestations.
MOST_LOOKED_AT = 100


class AttestationsContendedError(RetryableError):
    """The attestations are not as we want them after every round: others write them faster than we can read them back."""

    reason = "referrers-contended"


def legacy_tag(image: Digest, ending: str) -> Tag | None:
    """`sha256-HEX.att` or `.sig`; None for a digest of another algorithm, which would be too long for a tag."""
    return Tag(f"{fallback_tag(image)}.{ending}") if image.startswith("sha256:") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the tag leads to. `foreign` are the layers of others as they stand there, with their diff ids.

    `ours` are the digests of our own. `other`: it leads to something that keeps no attestations. `unread`: so many layers of others
    are there that one of ours may be among them.
    """

    digest: Digest | None = None
    foreign: Sequence[tuple[Mapping[str, Any], str]] = ()
    ours: Sequence[Digest] = ()
    other: bool = False
    unread: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationTag:
    """Of one image, whose attestations the caller has locked. What `key` has signed is ours whatever is written beside it."""

    access: RegistryAccess
    own_writes: OwnWrites
    repository: RepositoryName
    tag: Tag
    key: PublicKey | None = None

    async def read(self) -> Held:
        """What is attested there now; nothing where something else has the tag, which no verifier reads.

        Raises: as `Manifests.manifest`, but for NotFoundError.
        """
        try:
            fetched = await self.access.manifests(self.repository).manifest(self.tag)
        except NotFoundError:
            return Held()
        if not isinstance(fetched.content, Manifest):
            return Held(digest=fetched.digest, other=True)
        layers: list[Mapping[str, Any]] = msgspec.json.decode(fetched.raw).get("layers") or []
        described = fetched.content.layers
        claimed = {*await self.own_writes.claimed([each.digest for each in described])}
        diff_ids = await self._diff_ids(fetched.content)
        foreign, ours = list[tuple[Mapping[str, Any], str]](), list[Digest]()
        for layer, descriptor, diff_id in zip(layers, described, diff_ids, strict=True):
            marked = OUR_ATTESTATION in descriptor.annotations
            if descriptor.digest in claimed or (marked and descriptor.annotations.get("predicateType") == SUMMARY_TYPE):
                ours.append(descriptor.digest)
                continue
            content = await self._content(descriptor) if len(foreign) < MOST_LOOKED_AT else None
            if self._signed_by_us(content):
                ours.append(descriptor.digest)
                continue
            foreign.append((layer, diff_id))
        return Held(digest=fetched.digest, foreign=foreign, ours=ours, unread=len(foreign) > MOST_LOOKED_AT)

    async def write(self, envelope: bytes | None, mark: str = "") -> bool:
        """After this returns the envelope is the one attestation of ours there, None for none; those of others are as they were.

        1. Put what takes time, our layer, before looking.
        2. Read, replace our layers, and put the configuration that fits.
        3. Record what is to be written, look again, and write only over what was read.
        4. Begin again, to see that it is so.

        Gives whether nothing of ours is left by its digest: what cannot be deleted is replaced by nothing.

        Raises:
            AttestationsContendedError: others undo it again and again.
            TooManyListedError: it is as wanted as far as is known; one that bears no mark may be left.
            RegistryRefusedError: the tag is immutable, or something else has it.
        """
        mine = await self._put_layer(envelope, mark) if envelope is not None else None
        clean = True
        for attempt in range(ROUNDS):
            await asyncio.sleep(attempt * ROUND_SECONDS)
            held = await self.read()
            if [*held.ours] == ([mine["digest"]] if mine is not None else []):
                if mine is None and held.unread and self.key is not None:
                    raise TooManyListedError(f"{self._name}: more than {MOST_LOOKED_AT} attestations, not all of which are read")
                return clean
            if mine is None and not held.foreign and held.digest is not None:
                clean = await self.access.uploads.delete_manifest(self.repository, held.digest)
                if clean:
                    await self.own_writes.forget([held.digest])
                    continue
            if held.other:
                raise RegistryRefusedError(f"{self._name} is no list of attestations; it is left alone")
            layers = [*held.foreign, *([(mine, str(mine["digest"]))] if mine is not None else [])]
            raw = await self._put_config(layers)
            # Anything else in it may run, and who put it there would be rid of its verdict: that is judged like any image.
            if all(layer["mediaType"] == ENVELOPE_TYPE for layer, _ in held.foreign):
                await self.own_writes.claim([digest_of(raw)], under=self.tag if held.foreign else None)
            if await self.access.manifests(self.repository).head(self.tag) != held.digest:
                continue
            await self.access.uploads.put_manifest(self.repository, self.tag, raw, OCI_MANIFEST)
            if held.digest is not None:
                await self.own_writes.forget([held.digest])
        raise AttestationsContendedError(f"{self._name} was overwritten {ROUNDS} times")

    async def _put_layer(self, envelope: bytes, mark: str) -> Mapping[str, Any]:
        digest = digest_of(envelope)
        await self.own_writes.claim([digest])
        await self.access.uploads.put_blob(self.repository, envelope, media_type=ENVELOPE_TYPE)
        annotations = {
            "dev.cosignproject.cosign/signature": "",
            "predicateType": SUMMARY_TYPE,
            OUR_ATTESTATION: mark,
        }
        return {"mediaType": ENVELOPE_TYPE, "size": len(envelope), "digest": digest, "annotations": annotations}

    async def _put_config(self, layers: Sequence[tuple[Mapping[str, Any], str]]) -> bytes:
        """The manifest of these layers, whose configuration is there: clients of images read it.

        Without layers it has none of an image, or it would be one that can run.
        """
        rootfs = {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]}
        config = msgspec.json.encode({"architecture": "", "os": "", "config": {}, "rootfs": rootfs}, order="deterministic")
        kind, config = (OCI_CONFIG, config) if layers else (OCI_EMPTY, b"{}")
        described = await self.access.uploads.put_blob(self.repository, config, media_type=kind)
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": kind, "size": described.size, "digest": described.digest},
            "layers": [layer for layer, _ in layers],
        }
        return msgspec.json.encode(manifest, order="deterministic")

    async def _diff_ids(self, manifest: Manifest) -> Sequence[str]:
        """Of each layer. Where the configuration does not say, layers are taken for uncompressed, as cosign writes them."""
        digests = [each.digest for each in manifest.layers]
        try:
            raw = await self.access.manifests(self.repository).blob(manifest.config, limit_bytes=MAX_CONFIG_BYTES)
            said = read_shaped(raw, _Config).rootfs.diff_ids
        except (PermanentError, ValueError):
            return digests
        return said if len(said) == len(digests) and all(map(is_digest, said)) else digests

    async def _content(self, layer: Descriptor) -> bytes | None:
        try:
            return await self.access.manifests(self.repository).blob(layer, limit_bytes=MAX_SUMMARY_BYTES)
        except PermanentError:
            return None

    def _signed_by_us(self, content: bytes | None) -> bool:
        if content is None or self.key is None:
            return False
        try:
            return signed_summary(read_envelope(content), self.key)
        except EnvelopeError:
            return False

    @property
    def _name(self) -> str:
        return f"{self.repository}:{self.tag}"


class _RootFs(msgspec.Struct, frozen=True):
    diff_ids: tuple[str, ...] = ()


class _Config(msgspec.Struct, frozen=True):
    rootfs: _RootFs = _RootFs()
