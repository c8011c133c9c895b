"""What a checkup of one registry says of each trouble it can have."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.doubles.checkups import APP, V1, image, look
from watcher.kit.checkup import Checkup, Found, Result
from watcher.model.errors import RegistryRefusedError
from watcher.registry.probe_choice import Wanted
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_index, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, Switches, serve_registry
from watcher.testing.tokens import Access

pytestmark = pytest.mark.enable_socket

PASSWORD = "s3cret"


def basic(monkeypatch: pytest.MonkeyPatch, password: str = PASSWORD) -> dict[str, str]:
    monkeypatch.setenv("REGISTRY_PASSWORD", password)
    return {"type": "basic", "username": "watcher", "password": "env:REGISTRY_PASSWORD"}


async def test_everything_is_well(registry: MemoryRegistry) -> None:
    """No step fails, nothing is left there, and what is not tried says so."""
    image(registry)
    before = dict(registry.content.existing(APP).tags)
    asked = await look(registry)
    assert {name for name, found in asked.steps.items() if found.result is not Result.OK} == {"attach"}
    assert asked.steps["image"].detail == "team/app:v1"
    assert asked.steps["attach"].advice == ""
    assert "--write" in asked.steps["attach"].detail
    assert registry.content.existing(APP).tags == before
    assert registry.sessions == {}  # the upload that was begun is called off
    assert registry.requests["PUT manifests"] == 0


@pytest.mark.parametrize("api", [True, False])
async def test_what_is_written_is_taken_away(api: bool) -> None:
    """Whichever way referrers are listed: the artefact, what it is attached to, and the tag."""
    async with serve_registry(switches=Switches(referrers_api=api)) as registry:
        image(registry)
        before = set(registry.content.existing(APP).manifests), dict(registry.content.existing(APP).tags)
        asked = await look(registry, write=True)
        assert [asked.result(name) for name in ("attach", "tags", "delete")] == ["ok", "ok", "ok"]
        assert ("Referrers API lists it" if api else "fallback tag") in asked.steps["attach"].detail
        assert ("no Referrers API" in asked.steps["referrers"].detail) is not api
        held = registry.content.existing(APP)
        assert (set(held.manifests), dict(held.tags)) == before


async def test_a_name_that_nobody_knows_ends_it() -> None:
    """What needs the name is skipped, each step with what it needs."""
    asked = await look("nosuch.invalid", Wanted(repository=APP, reference=V1))
    assert asked.result("dns") == "failed"
    assert "name server" in asked.steps["dns"].advice
    assert [asked.result(name) for name in ("connect", "ping", "clock", "login", "head", "push")] == ["skipped"] * 6
    assert asked.steps["ping"].detail == "needs connect"


async def test_an_entry_that_cannot_be_read(registry: MemoryRegistry, docker_config: Path) -> None:
    """The file is named, and the entry; what is in it is not."""
    image(registry)
    await asyncio.to_thread(docker_config.parent.mkdir)
    entry = f'{{"auths": {{"{registry.host}": {{"auth": "%{PASSWORD}%"}}}}}}'
    await asyncio.to_thread(docker_config.write_text, entry)
    asked = await look(registry)
    assert asked.result("credentials") == "failed"
    assert asked.steps["credentials"].detail.endswith(f"config.json: its entry for {registry.host} is malformed")


async def test_a_closed_port(unused_tcp_port: int) -> None:
    """It says which, and what may be in between."""
    asked = await look(f"127.0.0.1:{unused_tcp_port}")
    assert asked.result("connect") == "failed"
    assert str(unused_tcp_port) in asked.steps["connect"].detail
    assert "firewall" in asked.steps["connect"].advice


async def test_tls_and_plain_http_mixed_up(registry: MemoryRegistry, tmp_path: Path) -> None:
    """Either way round the scheme to write is named."""
    asked = await look(str(registry.host))
    assert asked.result("connect") == "failed"
    assert "scheme: http" in asked.steps["connect"].advice
    registry.faults.add(Fault(path="/v2/", times=9, status=400, body=b"Client sent an HTTP request to an HTTPS server.\n"))
    asked = await look(registry)
    assert asked.steps["ping"].advice == "write scheme: https"


async def test_something_that_is_no_registry(registry: MemoryRegistry) -> None:
    """404 at `/v2/` is somebody else, and so is a web page."""
    page = Fault(path="/v2/", times=9, status=200, headers={"Content-Type": "text/html"}, body=b"<html>Welcome")
    for fault in (Fault(path="/v2/", times=9, status=404), page):
        registry.faults.clear()
        registry.faults.add(fault)
        asked = await look(registry)
        assert (asked.result("ping"), asked.result("login")) == ("failed", "skipped")
        assert "docker pull" in asked.steps["ping"].advice
    assert "a web page, not a registry" in asked.steps["ping"].detail


async def test_a_clock_that_is_wrong(registry: MemoryRegistry) -> None:
    """Tokens would be refused, so it is said, although all goes well."""
    image(registry)
    late = format_datetime(datetime.now(UTC) - timedelta(minutes=5), usegmt=True)
    registry.faults.add(Fault(path="/v2/", status=200, headers={"Date": late}, body=b"{}"))
    asked = await look(registry)
    assert asked.result("clock") == "warning"
    assert "0:0" in asked.steps["clock"].detail
    assert "behind ours" in asked.steps["clock"].detail


async def test_a_wrong_password(registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused at the login, and appears nowhere."""
    registry.gate.access = Access.BASIC
    asked = await look(registry, auth=basic(monkeypatch, "wr0ng-one"))
    assert asked.steps["credentials"].detail == "auth: {type: basic} for watcher"
    assert asked.result("login") == "failed"
    assert "user name and password" in asked.steps["login"].advice
    assert asked.result("image") == "skipped"
    assert "wr0ng-one" not in repr(asked)


@pytest.mark.parametrize("access", [Access.BASIC, Access.TOKEN])
async def test_the_right_password(registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch, access: Access) -> None:
    """What the registry asks for is named, and the password is not."""
    registry.gate.access = access
    image(registry)
    asked = await look(registry, auth=basic(monkeypatch), write=True)
    assert {found.result for found in asked.steps.values()} == {Result.OK}
    assert ("/token for test-registry" if access is Access.TOKEN else "basic") in asked.steps["ping"].detail
    assert PASSWORD not in repr(asked)


async def test_a_secret_that_is_not_there(registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference is named."""
    auth = basic(monkeypatch)
    monkeypatch.delenv("REGISTRY_PASSWORD")
    asked = await look(registry, auth=auth)
    assert asked.result("settings") == "failed"
    assert "REGISTRY_PASSWORD" in asked.steps["settings"].detail


async def test_a_token_service_that_is_a_stranger(registry: MemoryRegistry) -> None:
    """It may not see credentials before somebody says so; asked without any, it is one like others."""
    registry.gate.access, registry.gate.realm = Access.TOKEN, "http://tokens.example.com/token"
    asked = await look(registry)
    assert asked.result("ping") == "warning"
    assert "tokens.example.com" in asked.steps["ping"].detail
    assert "token_hosts" in asked.steps["ping"].advice


@pytest.mark.parametrize("must_write", [True, False])
async def test_an_account_that_may_pull_and_not_push(registry: MemoryRegistry, must_write: bool) -> None:
    """The permission is named where something needs it; else that is as it should be."""
    registry.gate.access, registry.gate.anonymous_pull = Access.TOKEN, True
    image(registry)
    asked = await look(registry, Wanted(repository=APP), kind="quay", must_write=must_write, write=True)
    assert [asked.result(name) for name in ("head", "get", "blob", "referrers")] == ["ok"] * 4
    assert "insufficient_scope" in asked.steps["push"].detail
    assert asked.result("push") == ("failed" if must_write else "ok")
    assert asked.steps["push"].advice == ("it takes a robot account with Write on the repository" if must_write else "")
    assert asked.result("attach") == "skipped"
    assert "delete" not in asked.steps


async def test_a_registry_that_does_not_delete(registry: MemoryRegistry) -> None:
    """What stays is told, and what would let it be deleted; looking again leaves nothing more."""
    image(registry)
    refused = b'{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}'
    registry.faults.add(Fault(method="DELETE", path=".*/manifests/.*", times=99, status=405, body=refused))
    counts = []
    for _ in range(2):
        asked = await look(registry, write=True)
        assert asked.result("delete") == "warning"
        assert "405, UNSUPPORTED" in asked.steps["delete"].detail
        assert "REGISTRY_STORAGE_DELETE_ENABLED=true" in asked.steps["delete"].advice
        counts.append(len(registry.content.existing(APP).manifests))
    assert counts[0] == counts[1]


async def test_tags_that_cannot_be_moved() -> None:
    """Known only by trying, so it is said only then."""
    async with serve_registry(switches=Switches(immutable_tags=True)) as registry:
        image(registry)
        asked = await look(registry, write=True)
        assert asked.result("tags") == "warning"
        assert "immutable" in asked.steps["tags"].detail
        assert asked.result("delete") == "ok"


async def test_a_promise_of_referrers_that_is_not_kept() -> None:
    """200 that is no index is no Referrers API, nor is `OCI-Subject`."""
    async with serve_registry(switches=Switches(oci_subject=True)) as registry:
        image(registry)
        page = {"status": 200, "headers": {"Content-Type": "text/html"}, "body": b"<html>welcome</html>"}
        registry.faults.add(Fault(path=".*/referrers/.*", times=99, **page))  # type: ignore[arg-type]
        asked = await look(registry, write=True)
        assert asked.result("referrers") == "ok"
        assert "no Referrers API (answered 200, but text/html)" in asked.steps["referrers"].detail
        assert asked.result("attach") == "warning"
        assert "OCI-Subject was promised in vain" in asked.steps["attach"].detail


async def test_what_head_and_get_differ_in(registry: MemoryRegistry) -> None:
    """A cache that answers one of them is seen."""
    image(registry)
    registry.faults.add(Fault(method="HEAD", path=".*/manifests/v1", status=200, headers={"Content-Type": "text/plain"}))
    asked = await look(registry)
    assert asked.result("head") == "warning"
    assert "HEAD and GET differ in Content-Type" in asked.steps["get"].detail


async def test_a_rate_limit_is_shown(registry: MemoryRegistry) -> None:
    """As Docker Hub writes it; little left is a warning."""
    image(registry)
    raw = registry.content.existing(APP).manifest("v1")
    for left, result in (("98;w=21600", "ok"), ("3;w=21600", "warning")):
        headers = {"Content-Type": raw.media_type, "RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": left}
        registry.faults.add(Fault(method="GET", path=".*/manifests/v1", status=200, headers=headers, body=raw.raw))
        asked = await look(registry)
        assert asked.result("get") == result
        assert f"rate limit: {left.partition(';')[0]} of 100 left in 6 h" in asked.steps["get"].detail


async def test_bytes_that_are_not_what_they_are_called(registry: MemoryRegistry) -> None:
    """By their digest."""
    digest = image(registry)
    raw = registry.content.existing(APP).manifest("v1")
    changed = raw.raw.replace(b'"schemaVersion":2', b'"schemaVersion": 2')
    headers = {"Content-Type": raw.media_type}
    registry.faults.add(Fault(method="GET", path=".*/manifests/.*", status=200, headers=headers, body=changed))
    asked = await look(registry, Wanted(repository=APP, reference=digest))
    assert asked.result("get") == "failed"
    assert asked.result("blob") == "skipped"


async def test_where_layers_come_from(registry: MemoryRegistry) -> None:
    """The host of a blob store is named; one that is out of reach names the setting; no Range is a warning."""
    image(registry)
    async with serve_registry() as store:
        led = {"status": 307, "headers": {"Location": f"{store.url}/v2/team/app/blobs/x"}}
        registry.faults.add(Fault(path=".*/blobs/sha256.*", times=3, **led))  # type: ignore[arg-type]
        store.faults.add(Fault(method="HEAD", times=2, status=403))  # a signed URL is for GET
        store.faults.add(Fault(method="GET", status=206, body=b"0123456789abcdef"))
        asked = await look(registry, Wanted(repository=APP, reference=V1))
        assert f"comes from {store.host}; HEAD of it is answered 403" in asked.steps["blob"].detail
    registry.faults.add(Fault(path=".*/blobs/sha256.*", status=307, headers={"Location": "http://169.254.169.254/latest"}))
    asked = await look(registry, Wanted(repository=APP, reference=V1))
    assert asked.result("blob") == "failed"
    assert "private_redirects" in asked.steps["blob"].advice
    registry.faults.add(Fault(method="GET", path=".*/blobs/sha256.*", ignore_range=True))
    asked = await look(registry, Wanted(repository=APP, reference=V1))
    assert asked.result("blob") == "warning"
    assert "ignores Range" in asked.steps["blob"].detail


async def test_an_index_is_followed_to_a_layer(registry: MemoryRegistry) -> None:
    """Of its first image."""
    put_image(registry, APP, build_index([build_image([build_layer({"a": "b"})])]), "v1")
    asked = await look(registry)
    assert asked.result("blob") == "ok"


async def test_an_image_that_is_not_there(registry: MemoryRegistry) -> None:
    """The step fails, and pushing is tried all the same."""
    asked = await look(registry, Wanted(repository=APP, reference=V1), kind="harbor")
    assert asked.result("head") == "failed"
    assert "Pull Repository" in asked.steps["head"].advice
    assert asked.result("push") == "ok"


async def test_which_image_is_looked_at(registry: MemoryRegistry) -> None:
    """`latest` of a repository, no artefact, and what is known where nothing is listed."""
    asked = await look(registry)
    assert asked.result("image") == "skipped"
    assert "watcher doctor" in asked.steps["image"].advice
    assert asked.steps["push"].detail == "needs a repository"
    asked = await look(registry, Wanted(repository=APP))
    assert asked.result("image") == "failed"
    for tag in ("v1", "latest", f"sha256-{'0' * 64}"):
        image(registry, tag=tag)
    assert (await look(registry, Wanted(repository=APP))).steps["image"].detail == "team/app:latest"
    known = Wanted(known=(APP, V1))
    assert (await look(registry, known, kind="ghcr")).steps["image"].detail == "team/app:v1"
    asked = await look(registry, kind="ghcr")
    assert asked.result("image") == "skipped"
    assert f"watcher doctor {registry.host}/REPOSITORY:TAG" in asked.steps["image"].advice


async def test_a_step_ends_in_time() -> None:
    """Whoever does not answer has failed, and what does not depend on it goes on."""

    async def never() -> Found:
        await asyncio.Event().wait()
        raise AssertionError

    async def refused() -> Found:
        raise RegistryRefusedError("no")

    checkup = Checkup(limit_seconds=0.01, advise=lambda step, error: f"{step}: {error.reason}")
    assert await checkup.step("slow", never) is Result.FAILED
    assert await checkup.step("next", never, after=["slow"]) is Result.SKIPPED
    assert await checkup.step("other", refused) is Result.FAILED
    assert [step.found.detail for step in checkup.steps] == ["no answer within 0.01 s", "needs slow", "no"]
    assert checkup.steps[2].found.advice == "other: registry-refused"
    assert checkup.failed


async def test_a_mistake_of_ours_is_one_step_that_failed() -> None:
    """Its type and its place are told, its text is not; the others are taken."""

    async def mistaken() -> Found:
        raise ValueError(PASSWORD)

    async def well() -> Found:
        return Found(detail="well")

    checkup = Checkup()
    assert await checkup.step("mistaken", mistaken) is Result.FAILED
    assert await checkup.step("next", well) is Result.OK
    assert checkup.steps[0].found.detail.startswith("could not be finished: ValueError in test_probe.py, line ")
    assert PASSWORD not in repr(checkup.steps)


@pytest.mark.parametrize("odd", ["²", "9" * 5000, "-1", ""])
async def test_a_rate_limit_that_is_no_number(registry: MemoryRegistry, odd: str) -> None:
    """It is passed over, and the step goes on."""
    image(registry)
    raw = registry.content.existing(APP).manifest("v1")
    for left, most in ((odd, "5"), ("5", f"5;w={odd}")):
        headers = {"Content-Type": raw.media_type, "RateLimit-Remaining": left, "RateLimit-Limit": most}
        registry.faults.add(Fault(method="GET", path=".*/manifests/v1", status=200, headers=headers, body=raw.raw))
        asked = await look(registry)
        assert asked.result("get") == "ok"
        assert " in " not in asked.steps["get"].detail


@pytest.mark.parametrize("odd", ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2026 00:00:00 +99999999999", "²"])
async def test_a_date_that_is_none(registry: MemoryRegistry, odd: str) -> None:
    """Nothing is said of that clock."""
    registry.faults.add(Fault(path="/v2/", status=200, headers={"Date": odd}, body=b"{}"))
    asked = await look(registry)
    assert asked.result("clock") == "skipped"


async def test_a_registry_that_wants_to_be_left_alone(registry: MemoryRegistry) -> None:
    """Nobody waits for it: each step says so at once, and what to do."""
    image(registry)
    registry.faults.add(Fault(method="HEAD", path=".*/manifests/.*", status=429, headers={"Retry-After": "50"}))
    asked = await look(registry)
    assert "answered 429" in asked.steps["head"].detail
    assert "requests_per_second" in asked.steps["head"].advice
    assert asked.steps["get"].detail.startswith("the registry wants to be left alone for ")
    assert asked.result("push") == "failed"


async def test_a_token_service_that_grants_less(registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """403 is of what was asked for at `/v2/`, which the image need not be; 401 is of the credentials."""
    registry.gate.access = Access.TOKEN
    image(registry)
    for status, login, head in ((403, "warning", "ok"), (401, "failed", "skipped")):
        registry.faults.add(Fault(path="/token", status=status))
        asked = await look(registry, Wanted(repository=APP, reference=V1), auth=basic(monkeypatch))
        assert (asked.result("login"), asked.result("head")) == (login, head)
