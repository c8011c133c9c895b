"""The in-memory registry under the OCI distribution-spec: each clause as requests and the answers that they must get."""

from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import encode_basic_auth

from tests.doubles.exchanges import Exchange, ask, speak
from watcher.model.digest import Digest, digest_as, digest_of
from watcher.model.image import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST
from watcher.testing.images import build_image, build_index, build_layer, put_image
from watcher.testing.registry import CONFORMANT, Switches, serve_registry
from watcher.testing.tokens import Access, Gate

pytestmark = pytest.mark.enable_socket

BLOB = b"0123456789"
SHA256 = digest_of(BLOB)
SHA512 = digest_as(BLOB, Digest("sha512:"))
MISSING = digest_of(b"never pushed")
IMAGE = build_image([build_layer({"app": b"hello"})])
INDEX = build_index([IMAGE])
CONFIG, LAYER = msgspec.json.decode(IMAGE.raw)["config"], msgspec.json.decode(IMAGE.raw)["layers"][0]
TYPED = {"Content-Type": OCI_MANIFEST}
UPLOADS = "/v2/team/app/blobs/uploads/"


def manifest(**fields: Any) -> bytes:
    """IMAGE's manifest with other fields; those that are None are left out."""
    body = {**msgspec.json.decode(IMAGE.raw), **fields}
    return msgspec.json.encode({key: value for key, value in body.items() if value is not None})


EMPTY = manifest(layers=[])
CUSTOM = manifest(layers=None, artifactType="application/vnd.example.sbom", custom={"any": ["thing"]})
SUBJECT = {"mediaType": OCI_MANIFEST, "digest": IMAGE.digest, "size": len(IMAGE.raw)}
SBOM = manifest(subject=SUBJECT, artifactType="application/vnd.example.sbom", annotations={"a": "b"})
SIGNATURE = manifest(subject=SUBJECT, annotations={"c": "d"})
LISTING = msgspec.json.encode({"mediaType": OCI_INDEX, "subject": SUBJECT, "manifests": []})
ORPHAN = manifest(subject={**SUBJECT, "digest": MISSING})


def put(reference: str, raw: bytes, status: int = 201, **rest: Any) -> Exchange:
    return ask(f"PUT manifests/{reference}", status, sends=TYPED, body=raw, **rest)


def part(asked: str, status: int, held: bytes = b"", says: str | None = None) -> Exchange:
    answer = {"answer": held} if status < 400 else {}
    gets = {"Content-Range": says, "Content-Length": str(len(held))} if status < 400 else {"Content-Range": says}
    return ask(f"GET blobs/{SHA256}", status, sends={"Range": asked}, gets=gets, **answer)


def closing(chunk: bytes, status: int, span: str = "", digest: Digest = SHA256, **rest: Any) -> Exchange:
    sends = {"Content-Range": span} if span else {}
    return ask("PUT {location}", status, query={"digest": digest}, body=chunk, sends=sends, **rest)


def chunk(held: bytes, status: int, span: str = "", **rest: Any) -> Exchange:
    return ask("PATCH {location}", status, body=held, sends={"Content-Range": span} if span else {}, **rest)


PUSHED = ask(f"POST {UPLOADS}", 201, query={"digest": SHA256}, body=BLOB)
STARTED = ask(f"POST {UPLOADS}", 202)
IS_THERE = ask(f"GET blobs/{SHA256}", 200, answer=BLOB, gets={"Docker-Content-Digest": SHA256, "Content-Length": "10"})
IS_NOT_THERE = ask(f"HEAD blobs/{SHA256}", 404)

CLAUSES: dict[str, tuple[Exchange, ...]] = {
    "determining support (end-1)": (ask("GET /v2/", 200), ask("HEAD /v2/", 200), ask("GET /v2/team/App/tags/list", 404)),
    "pulling manifests (end-3)": (
        ask("GET manifests/v1", 200, answer=IMAGE.raw, gets={"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": IMAGE.digest}),
        ask(f"GET manifests/{IMAGE.digest}", 200, answer=IMAGE.raw, gets={"Content-Length": str(len(IMAGE.raw))}),
        ask("HEAD manifests/v1", 200, answer=b"", gets={"Content-Length": str(len(IMAGE.raw))}),
        ask("GET manifests/v2", 404, code="MANIFEST_UNKNOWN"),
        ask("GET manifests/.not-a-tag", 404, code="MANIFEST_UNKNOWN"),
        ask(f"GET manifests/{MISSING}", 404, code="MANIFEST_UNKNOWN"),
        ask("GET manifests/sha256:baddigeststring", 400, code="DIGEST_INVALID"),
        ask("GET /v2/none/manifests/v1", 404, code="NAME_UNKNOWN"),
    ),
    "pulling blobs (end-2)": (
        PUSHED,
        IS_THERE,
        ask(f"HEAD blobs/{SHA256}", 200, answer=b"", gets={"Content-Length": "10", "Docker-Content-Digest": SHA256}),
        ask(f"GET blobs/{MISSING}", 404, code="BLOB_UNKNOWN"),
        ask("HEAD blobs/sha256:baddigeststring", 400),
        ask(f"GET blobs/{SHA256.upper()}", 400, code="DIGEST_INVALID"),
    ),
    "pulling parts of blobs (RFC 9110, section 14)": (
        PUSHED,
        part("bytes=4-6", 206, b"456", "bytes 4-6/10"),
        part("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        part("bytes=-3", 206, b"789", "bytes 7-9/10"),
        part("bytes=-30", 206, BLOB, "bytes 0-9/10"),
        part("bytes=8-50", 206, b"89", "bytes 8-9/10"),
        part("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        part("bytes=5-0", 416, says="bytes */10"),
        part("bytes=10-", 416, says="bytes */10"),
        part("bytes=50-60", 416, says="bytes */10"),
        part("bytes=-0", 416, says="bytes */10"),
        part("bytes=-", 200, BLOB),
        part("lines=1-2", 200, BLOB),
        part("bytes=0-1,4-5", 200, BLOB),
        part(f"bytes={'9' * 5000}-", 200, BLOB),
        ask(f"HEAD blobs/{SHA256}", 206, sends={"Range": "bytes=4-6"}, gets={"Content-Length": "3"}),
    ),
    "an empty blob has no parts": (
        ask(f"POST {UPLOADS}", 201, query={"digest": digest_of(b"")}),
        ask(f"GET blobs/{digest_of(b'')}", 200, answer=b"", gets={"Content-Length": "0"}),
        ask(f"GET blobs/{digest_of(b'')}", 416, sends={"Range": "bytes=0-"}, gets={"Content-Range": "bytes */0"}),
    ),
    "pushing a blob with POST (end-4b)": (
        ask(f"POST {UPLOADS}", 201, query={"digest": SHA512}, body=BLOB, gets={"Location": f"/v2/team/app/blobs/{SHA512}"}),
        ask("GET {location}", 200, answer=BLOB, gets={"Docker-Content-Digest": SHA512}),
        ask(f"POST {UPLOADS}", 400, query={"digest": SHA256}, body=b"other", code="DIGEST_INVALID"),
        ask(f"POST {UPLOADS}", 400, query={"digest": "sha256:baddigeststring"}, body=BLOB, code="DIGEST_INVALID"),
        ask(f"POST {UPLOADS}", 400, query={"digest": f"md5:{'0' * 32}"}, body=BLOB, code="DIGEST_INVALID"),
        ask(f"POST {UPLOADS}", 400, query={"digest": ""}, body=BLOB, code="DIGEST_INVALID"),
        IS_NOT_THERE,
    ),
    "pushing a blob with POST and PUT (end-4a, end-6)": (
        ask("POST /v2/team/app/blobs/uploads", 202, gets={"OCI-Chunk-Min-Length": None}),
        ask("GET {location}", 204, gets={"Range": "0-0"}),
        closing(BLOB, 400, digest=MISSING, code="DIGEST_INVALID"),
        ask("PUT {location}", 400, body=BLOB, code="DIGEST_INVALID"),
        ask("PUT {location}", 400, query={"digest": "sha256:baddigeststring"}, body=BLOB, code="DIGEST_INVALID"),
        IS_NOT_THERE,
        closing(BLOB, 201, gets={"Location": f"/v2/team/app/blobs/{SHA256}", "Docker-Content-Digest": SHA256}),
        IS_THERE,
    ),
    "pushing a blob in chunks (end-5, end-6, end-13)": (
        ask(f"POST {UPLOADS}", 202, query={"digest-algorithm": "sha256"}),
        chunk(BLOB[3:6], 416, "3-5", gets={"Range": "0-0"}),
        chunk(BLOB[:3], 202, "0-2", gets={"Range": "0-2"}),
        chunk(BLOB[:3], 416, "0-2", gets={"Range": "0-2"}),
        chunk(BLOB[3:6], 416, "bytes 3-5/10", code="BLOB_UPLOAD_INVALID"),
        chunk(BLOB[3:6], 400, "3-9", code="SIZE_INVALID"),
        ask("GET {location}", 204, gets={"Range": "0-2"}),
        chunk(BLOB[3:6], 202, gets={"Range": "0-5"}),
        closing(BLOB[8:], 416, "8-9", code="BLOB_UPLOAD_INVALID"),
        closing(BLOB[:6], 416, "0-5"),
        ask("GET {location}", 204, gets={"Range": "0-5"}),
        closing(BLOB[6:], 201, "6-9"),
        IS_THERE,
    ),
    "pushing a blob with sha512 in chunks (end-4c)": (
        ask(f"POST {UPLOADS}", 400, query={"digest-algorithm": "md5"}, code="DIGEST_INVALID"),
        ask(f"POST {UPLOADS}", 202, query={"digest-algorithm": "sha512"}),
        chunk(BLOB, 202, "0-9"),
        closing(b"", 201, digest=SHA512),
        ask(f"GET blobs/{SHA512}", 200, answer=BLOB),
    ),
    "cancelling an upload (end-14)": (
        STARTED,
        ask("DELETE {location}", 204),
        ask("GET {location}", 404, code="BLOB_UPLOAD_UNKNOWN"),
        chunk(BLOB, 404, "0-9"),
        closing(BLOB, 404),
        ask("DELETE {location}", 404),
        STARTED,
        ask("PUT {location}", 201, query={"digest": SHA256}, body=BLOB),
        ask("DELETE /v2/team/app/blobs/uploads/none", 404, code="BLOB_UPLOAD_UNKNOWN"),
    ),
    "mounting a blob (end-11)": (
        PUSHED,
        ask("POST /v2/other/blobs/uploads/", 202, query={"mount": MISSING, "from": "team/app"}),
        ask("POST /v2/other/blobs/uploads/", 202, query={"mount": SHA256, "from": "none"}),
        ask("POST /v2/other/blobs/uploads/", 202, query={"mount": SHA256, "from": ""}),
        ask("POST /v2/other/blobs/uploads/", 400, query={"mount": "sha256:bad", "from": "team/app"}, code="DIGEST_INVALID"),
        ask(f"HEAD /v2/other/blobs/{SHA256}", 404),
        ask("POST /v2/other/blobs/uploads/", 201, query={"mount": SHA256, "from": "team/app"}),
        ask("GET {location}", 200, answer=BLOB),
        ask("POST /v2/third/blobs/uploads/", 201, query={"mount": SHA256}, gets={"Location": f"/v2/third/blobs/{SHA256}"}),
        ask("POST /v2/third/blobs/uploads/", 202, query={"mount": MISSING}),
        ask("GET /v2/_catalog", 200, answer={"repositories": ["other", "team/app", "third"]}),
    ),
    "pushing manifests (end-7)": (
        put("empty", EMPTY, gets={"Location": f"/v2/team/app/manifests/{digest_of(EMPTY)}", "OCI-Subject": None}),
        ask("GET {location}", 200, answer=EMPTY, gets={"Docker-Content-Digest": digest_of(EMPTY)}),
        put(digest_of(CUSTOM), CUSTOM, gets={"Docker-Content-Digest": digest_of(CUSTOM), "OCI-Tag": None}),
        put(digest_as(CUSTOM, SHA512), CUSTOM),
        ask(f"GET manifests/{digest_as(CUSTOM, SHA512)}", 200, answer=CUSTOM),
        put("untyped", manifest(mediaType=None)),
        ask("PUT manifests/parameters", 201, sends={"Content-Type": f"{OCI_MANIFEST}; charset=utf-8"}, body=EMPTY),
        put("elsewhere", manifest(layers=[{**LAYER, "digest": MISSING, "urls": ["https://example.com"]}])),
        put("v2", manifest(layers=[{**LAYER, "digest": MISSING}]), 404, code="MANIFEST_BLOB_UNKNOWN"),
        put("v2", manifest(config={**CONFIG, "digest": MISSING}), 404, code="MANIFEST_BLOB_UNKNOWN"),
        put("sha256:baddigeststring", IMAGE.raw, 400, code="DIGEST_INVALID"),
        put(MISSING, IMAGE.raw, 400, code="DIGEST_INVALID"),
        put("-v2", IMAGE.raw, 400, code="TAG_INVALID"),
        put("v" * 129, IMAGE.raw, 400, code="TAG_INVALID"),
        ask("GET manifests/v2", 404),
    ),
    "an index has manifests, or none": (
        ask("PUT manifests/index", 201, sends={"Content-Type": OCI_INDEX}, body=INDEX.raw),
        ask("GET manifests/index", 200, answer=INDEX.raw, gets={"Content-Type": OCI_INDEX}),
        ask("PUT manifests/none", 201, sends={"Content-Type": DOCKER_LIST}, body=b'{"manifests": []}'),
        ask("PUT manifests/none", 400, sends={"Content-Type": OCI_INDEX}, body=b'{"manifests": [{}]}', code="MANIFEST_INVALID"),
    ),
    "pushing manifests with tags": (
        put(
            digest_as(EMPTY, SHA512),
            EMPTY,
            query=[("tag", "one"), ("tag", "two")],
            gets={"OCI-Tag": "one, two", "Docker-Content-Digest": digest_as(EMPTY, SHA512)},
        ),
        ask("HEAD manifests/two", 200, gets={"Docker-Content-Digest": digest_as(EMPTY, SHA512)}),
        put(IMAGE.digest, IMAGE.raw, 400, query=[("tag", "good"), ("tag", "-bad")], code="TAG_INVALID"),
        ask("GET manifests/good", 404),
        put("alone", EMPTY, query={"tag": "ignored"}, gets={"OCI-Tag": None}),
        ask("GET tags/list", 200, answer={"name": "team/app", "tags": ["alone", "one", "two", "v1"]}),
    ),
    "pushing manifests with a subject, listing referrers (end-12a, end-12b)": (
        put(digest_of(SBOM), SBOM, gets={"OCI-Subject": IMAGE.digest}),
        put("signature", SIGNATURE, gets={"OCI-Subject": IMAGE.digest}),
        put(digest_of(ORPHAN), ORPHAN, gets={"OCI-Subject": MISSING}),
        ask("PUT manifests/listing", 201, sends={"Content-Type": OCI_INDEX}, body=LISTING, gets={"OCI-Subject": IMAGE.digest}),
        ask(
            f"GET referrers/{IMAGE.digest}",
            200,
            gets={"Content-Type": OCI_INDEX, "OCI-Filters-Applied": None, "Link": None},
            answer={
                "schemaVersion": 2,
                "mediaType": OCI_INDEX,
                "manifests": [
                    {
                        "mediaType": OCI_MANIFEST,
                        "digest": digest_of(SBOM),
                        "size": len(SBOM),
                        "artifactType": "application/vnd.example.sbom",
                        "annotations": {"a": "b"},
                    },
                    {
                        "mediaType": OCI_MANIFEST,
                        "digest": digest_of(SIGNATURE),
                        "size": len(SIGNATURE),
                        "artifactType": CONFIG["mediaType"],
                        "annotations": {"c": "d"},
                    },
                    {"mediaType": OCI_INDEX, "digest": digest_of(LISTING), "size": len(LISTING)},
                ],
            },
        ),
        ask(
            f"GET referrers/{IMAGE.digest}",
            200,
            query={"artifactType": "none"},
            gets={"OCI-Filters-Applied": "artifactType"},
            answer={"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []},
        ),
        ask(f"GET /v2/none/referrers/{MISSING}", 200, answer={"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}),
        ask("GET referrers/sha256:baddigeststring", 400, code="DIGEST_INVALID"),
        ask("GET referrers/latest", 400, code="DIGEST_INVALID"),
        ask(f"GET referrers/{IMAGE.digest}", 400, query={"from": "-1"}, code="PAGINATION_NUMBER_INVALID"),
    ),
    "listing tags (end-8a, end-8b)": (
        put("b", EMPTY),
        put("B", EMPTY),
        put("a", EMPTY),
        ask("GET tags/list", 200, answer={"name": "team/app", "tags": ["B", "a", "b", "v1"]}, gets={"Link": None}),
        ask("GET tags/list", 200, query={"n": "0"}, answer={"name": "team/app", "tags": []}, gets={"Link": None}),
        ask("GET tags/list", 200, query={"n": "2"}, gets={"Link": '</v2/team/app/tags/list?n=2&last=a>; rel="next"'}),
        ask("GET tags/list", 200, query={"n": "2", "last": "a"}, answer={"name": "team/app", "tags": ["b", "v1"]}),
        ask("GET tags/list", 200, query={"last": "aa"}, answer={"name": "team/app", "tags": ["b", "v1"]}, gets={"Link": None}),
        ask("GET tags/list", 200, query={"last": "z"}, answer={"name": "team/app", "tags": []}),
        ask("GET tags/list", 400, query={"n": "-1"}, code="PAGINATION_NUMBER_INVALID"),
        ask("GET tags/list", 400, query={"n": "many"}, code="PAGINATION_NUMBER_INVALID"),
        ask("GET tags/list", 400, query={"n": "9" * 5000}, code="PAGINATION_NUMBER_INVALID"),
        ask("GET /v2/_catalog", 200, query={"n": "0"}, answer={"repositories": []}, gets={"Link": None}),
        ask("GET /v2/none/tags/list", 404, code="NAME_UNKNOWN"),
    ),
    "deleting tags and manifests (end-9)": (
        put("v2", IMAGE.raw),
        ask("DELETE manifests/v1", 202),
        ask("GET manifests/v1", 404),
        ask("GET manifests/v2", 200),
        ask(f"DELETE manifests/{IMAGE.digest}", 202),
        ask("GET manifests/v2", 404),
        ask(f"DELETE manifests/{IMAGE.digest}", 404, code="MANIFEST_UNKNOWN"),
        ask("DELETE manifests/sha256:baddigeststring", 400, code="DIGEST_INVALID"),
        ask("GET tags/list", 200, answer={"name": "team/app", "tags": []}),
        put("v1", IMAGE.raw),
    ),
    "deleting blobs (end-10)": (
        PUSHED,
        ask(f"DELETE blobs/{SHA256}", 202),
        IS_NOT_THERE,
        ask(f"DELETE blobs/{SHA256}", 404, code="BLOB_UNKNOWN"),
        ask("DELETE blobs/sha256:baddigeststring", 400, code="DIGEST_INVALID"),
    ),
}


@pytest.mark.parametrize("clause", CLAUSES)
async def test_clauses(clause: str) -> None:
    """Every clause is answered as the specification says, what is wrong about a request no worse than what is right."""
    async with serve_registry(switches=CONFORMANT) as registry:
        put_image(registry, "team/app", IMAGE, "v1")
        await speak(registry, CLAUSES[clause])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        manifest(config=None),
        manifest(config=[]),
        manifest(config={}),
        manifest(config={**CONFIG, "digest": "sha256:bad"}),
        manifest(config={**CONFIG, "digest": f"{CONFIG['digest']}\n"}),
        manifest(layers="all"),
        manifest(layers=[None]),
        manifest(layers=[{**LAYER, "urls": 1}]),
        manifest(subject="sha256"),
        manifest(subject={"digest": "../.."}),
        manifest(mediaType=1),
        manifest(mediaType=OCI_INDEX),
    ],
)
async def test_no_manifest(raw: bytes) -> None:
    """What is not a manifest of its type is refused with 400, and nothing is kept of it."""
    async with serve_registry() as registry:
        put_image(registry, "team/app", IMAGE, "v1")
        await speak(registry, [put("v2", raw, 400, code="MANIFEST_INVALID"), ask("GET manifests/v2", 404)])
        assert list(registry.content.existing("team/app").manifests) == [IMAGE.digest]


async def test_chunks_have_a_minimum() -> None:
    """Where `OCI-Chunk-Min-Length` is told, no chunk but the last may be shorter."""
    async with serve_registry(switches=Switches(chunk_min_bytes=4)) as registry:
        begun = ask(f"POST {UPLOADS}", 202, gets={"OCI-Chunk-Min-Length": "4"})
        await speak(registry, [begun, chunk(BLOB[:4], 202), chunk(BLOB[4:8], 202), closing(BLOB[8:], 201), IS_THERE])
        await speak(registry, [begun, chunk(BLOB[:8], 202), chunk(BLOB[8:], 202), closing(b"", 201)])
        await speak(registry, [begun, chunk(BLOB[:3], 202), chunk(BLOB[3:], 400, code="SIZE_INVALID"), closing(BLOB[3:], 400)])


async def test_referrers_are_filtered_on_every_page() -> None:
    """The `Link` of a filtered list leads to the rest of what was asked for."""
    async with serve_registry(switches=Switches(referrers_api=True, page_size=1)) as registry:
        put_image(registry, "team/app", IMAGE, "v1")
        wanted = [manifest(subject=SUBJECT, artifactType="a/b+c", annotations={"number": str(each)}) for each in range(2)]
        await speak(registry, [put("one", wanted[0]), put("other", SBOM), put("two", wanted[1])])
        async with aiohttp.ClientSession() as http:
            first = await http.get(f"{registry.url}/v2/team/app/referrers/{IMAGE.digest}", params={"artifactType": "a/b+c"})
            second = await http.get(first.links["next"]["url"])
            listed = [entry["digest"] for page in (first, second) for entry in (await page.json())["manifests"]]
            assert listed == [digest_of(raw) for raw in wanted]
            assert "next" not in second.links


async def test_what_docker_registry_does_not_do() -> None:
    """Without the switches, a blob is mounted from where it is said to be, and an upload stays in its repository."""
    async with serve_registry() as registry:
        mount = ask("POST /v2/other/blobs/uploads/", 202, query={"mount": SHA256})
        await speak(registry, [PUSHED, mount, ask(f"GET referrers/{SHA256}", 404)])
        await speak(registry, [STARTED])
        session = next(reversed(registry.sessions))
        await speak(registry, [ask(f"GET /v2/other/blobs/uploads/{session}", 404, code="BLOB_UPLOAD_UNKNOWN")])


async def test_a_mount_needs_both_repositories() -> None:
    """The challenge asks for a token that may also pull where the blob is to come from; a name that is none asks for nothing."""
    async with serve_registry(gate=Gate(access=Access.TOKEN)) as registry, aiohttp.ClientSession() as http:
        for origin, scopes in (("team/app", " repository:team/app:pull"), ('"\r\nX: y', "")):
            mount = {"mount": SHA256, "from": origin}
            refused = await http.post(f"{registry.url}/v2/other/blobs/uploads/", params=mount)
            assert refused.status == 401
            assert refused.headers["WWW-Authenticate"].endswith(f'scope="repository:other:pull,push{scopes}"')
        asked = {"scope": "repository:other:pull,push repository:team/app:pull"}
        granted = await http.get(
            f"{registry.url}/token", params=asked, headers={"Authorization": encode_basic_auth("watcher", "s3cret")}
        )
        bearer = {"Authorization": f"Bearer {(await granted.json())['token']}"}
        mount = {"mount": SHA256, "from": "team/app"}
        allowed = await http.post(f"{registry.url}/v2/other/blobs/uploads/", params=mount, headers=bearer)
        assert allowed.status == 202
        mount["from"] = "third"
        assert (await http.post(f"{registry.url}/v2/other/blobs/uploads/", params=mount, headers=bearer)).status == 401
