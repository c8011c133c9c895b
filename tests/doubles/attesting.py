"""What a registry has about an image, asked as a stranger to the watcher asks."""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from watcher.model.digest import digest_of
from watcher.model.image import EMPTY_DIGEST, OCI_CONFIG, OCI_MANIFEST, Descriptor
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.access import RegistryClients
from watcher.registry.referrers import EMPTY_BLOB, build_artifact, index_of, listed_descriptor
from watcher.registry.uploads import RegistryUploads
from watcher.testing.images import BuiltImage

REPOSITORY = RepositoryName("team/app")
VSA = "https://slsa.dev/verification_summary/v1"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
VERDICT = "application/vnd.registry-watcher.verdict.v1+json"
_ANY = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """Somebody with an account at the registry `host`, plain HTTP."""

    host: str
    repository: RepositoryName = REPOSITORY

    async def referrers(self, digest: str, kind: str = "") -> list[dict[str, Any]]:
        """By the API, or the fallback tag where there is none."""
        found = await self._json(f"referrers/{digest}") or await self._json(f"manifests/{digest.replace(':', '-')}") or {}
        return [each for each in found.get("manifests", []) if not kind or each.get("artifactType") == kind]

    async def bundles(self, digest: str) -> list[dict[str, Any]]:
        """The content of every Sigstore bundle that is listed."""
        manifests = [await self._json(f"manifests/{each['digest']}") for each in await self.referrers(digest, BUNDLE)]
        return [json.loads(await self.blob(each["layers"][0]["digest"])) for each in manifests if each]

    async def att(self, digest: str) -> list[dict[str, Any]]:
        """The layers under the tag of attestations."""
        manifest = await self.manifest(f"{digest.replace(':', '-')}.att")
        return list(manifest["layers"]) if manifest else []

    async def counts(self, digest: str) -> tuple[int, int]:
        """Of Sigstore bundles, and of attestation layers."""
        return len(await self.referrers(digest, BUNDLE)), len(await self.att(digest))

    async def outcomes(self, digest: str) -> list[str]:
        """Of the verdicts that are listed."""
        return [each["annotations"]["io.registry-watcher.outcome"] for each in await self.referrers(digest, VERDICT)]

    async def statement(self, digest: str) -> dict[str, Any]:
        """The one that there is, in whichever form."""
        bundles, layers = await self.bundles(digest), await self.att(digest)
        envelopes = [each["dsseEnvelope"] for each in bundles] + [json.loads(await self.blob(each["digest"])) for each in layers]
        (envelope,) = envelopes
        found: dict[str, Any] = json.loads(b64decode(envelope["payload"]))
        return found

    async def manifest(self, reference: str) -> dict[str, Any] | None:
        return await self._json(f"manifests/{reference}")

    async def blob(self, digest: str) -> bytes:
        async with aiohttp.ClientSession() as session, session.get(self._url(f"blobs/{digest}")) as answer:
            return await answer.read()

    async def attach_bundle(self, image: BuiltImage, content: Mapping[str, Any], annotations: Mapping[str, str]) -> str:
        """A Sigstore bundle of their own beside the image; its digest."""
        raw = json.dumps(content).encode()
        layer = Descriptor(media_type=BUNDLE, digest=digest_of(raw), size=len(raw))
        subject = Descriptor(media_type=image.media_type, digest=image.digest, size=len(image.raw))
        manifest = build_artifact(subject, BUNDLE, [layer], annotations)
        digest = digest_of(manifest)
        async with RegistryClients.of([]) as registries:
            access = registries.access(self._host)
            for blob in (EMPTY_BLOB, raw):
                await access.uploads.put_blob(self.repository, blob)
            await access.uploads.put_manifest(self.repository, digest, manifest, OCI_MANIFEST)
            if not await access.referrers.listed(self.repository, image.digest, digest):
                seen = await access.referrers.read_fallback(self.repository, image.digest)
                merged = index_of([*seen.entries, listed_descriptor(manifest, digest)])
                await access.referrers.put_fallback(self.repository, image.digest, merged, seen=seen)
        return digest

    async def sign_legacy(self, image: BuiltImage, ending: str, *layers: Mapping[str, Any]) -> str:
        """What cosign 2 puts beside an image, with the contents of its layers as JSON; the digest of its manifest."""
        contents = [json.dumps(each).encode() for each in layers]
        described = [
            {"mediaType": ENVELOPE, "size": len(each), "digest": digest_of(each), "annotations": {"predicateType": "https://x"}}
            for each in contents
        ]
        config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [each["digest"] for each in described]}}).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "size": len(config), "digest": digest_of(config)},
            "layers": described,
        }
        raw = json.dumps(manifest).encode()
        async with RegistryClients.of([]) as registries:
            uploads: RegistryUploads = registries.access(self._host).uploads  # type: ignore[assignment]
            for blob in (config, *contents):
                await uploads.put_blob(self.repository, blob)
            await uploads.put_manifest(self.repository, Tag(f"{image.digest.replace(':', '-')}.{ending}"), raw, OCI_MANIFEST)
        return digest_of(raw)

    @property
    def _host(self) -> Any:
        return self.host

    def _url(self, path: str) -> str:
        return f"http://{self.host}/v2/{self.repository}/{path}"

    async def _json(self, path: str) -> dict[str, Any] | None:
        async with aiohttp.ClientSession() as session, session.get(self._url(path), headers={"Accept": _ANY}) as answer:
            found: dict[str, Any] | None = await answer.json(content_type=None) if answer.status == 200 else None
            return found


assert digest_of(EMPTY_BLOB) == EMPTY_DIGEST
