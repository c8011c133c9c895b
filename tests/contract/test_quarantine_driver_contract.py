"""What is true of every way to keep an image from being pulled, beside the documented API of each kind of registry.

`tests/golden/quarantine/KIND.json` has what is asked of that API. With REGENERATE=1 in the environment these tests write it anew.
"""

import json
import os
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest
from aiohttp import web

from tests.doubles.quarantine_apis import APIS, DIGEST, QUAY_TOKEN, AcrDouble, ApiDouble
from tests.doubles.scripted_server import scripted_server
from watcher.model.digest import Digest
from watcher.model.errors import AuthenticationError, RegistryUnavailableError
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.registry_kind import RegistryKind
from watcher.publishing.quarantine.capabilities import CAPABILITIES
from watcher.publishing.quarantine.catalog import DRIVERS, build_driver
from watcher.publishing.quarantine.protocol import Condemned, QuarantineDriver
from watcher.publishing.quarantine.tags_driver import TagsDriver
from watcher.registry.access import RegistryClients
from watcher.registry.settings import AnonymousAuth, RegistrySettings

pytestmark = pytest.mark.enable_socket

GOLDEN = Path(__file__).parents[1] / "golden" / "quarantine"
APP = RepositoryName("team/app")
CONDEMNED = Condemned(repository=APP, digest=Digest(DIGEST), reason="a key of AWS is in it")
GONE = Condemned(repository=APP, digest=Digest("sha256:" + "6" * 64), reason="is not there")
CLASSES: Collection[type] = [TagsDriver, *DRIVERS.values()]  # type: ignore[list-item]  # each is a class
# What changes something at each, as who may not do it is told.
CHANGES = {"harbor": ("POST", "/artifacts/"), "acr": ("PATCH", ""), "quay": ("POST", ""), "artifactory": ("PATCH", "")}


@dataclass(kw_only=True)
class TagsDouble:
    """A registry that has nothing but the specification."""

    tags: set[str] = field(default_factory=lambda: {"v1", "latest"})
    refused: dict[tuple[str, str], int] = field(default_factory=dict)

    def shown(self) -> object:
        return []

    async def answer(self, request: web.Request) -> web.Response:
        tag = request.path.removeprefix("/v2/team/app/manifests/")
        if self.refused:
            return web.Response(status=400)
        status = 202 if tag in self.tags else 404
        self.tags.discard(tag)
        return web.Response(status=status)


@dataclass(kw_only=True)
class Bench:
    kind: RegistryKind
    api: ApiDouble
    driver: QuarantineDriver
    asked: Callable[[], list[tuple[str, str, Any]]]

    @property
    def is_native(self) -> bool:
        return bool(CAPABILITIES[self.kind].native)


@pytest.fixture(params=["distribution", *APIS])
async def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    kind: RegistryKind = request.param
    api: ApiDouble = APIS[kind]() if kind in APIS else TagsDouble()
    monkeypatch.setenv("QUAY_TOKEN", QUAY_TOKEN)
    bodies: list[tuple[str, str, Any]] = []

    async def answer(asked: web.Request) -> web.StreamResponse:
        body = json.loads(await asked.read() or b"null")
        bodies.append((asked.method, asked.raw_path, body))
        return await api.answer(asked)

    async def at_once(_seconds: float) -> None:
        return

    async with scripted_server(answer) as server:
        settings = RegistrySettings(
            host=server.host, kind=kind, auth=AnonymousAuth(), api_token="env:QUAY_TOKEN" if kind == "quay" else None
        )
        async with RegistryClients.of([settings], sleep=at_once) as registries:
            driver = build_driver(registries.access(Host(server.host)))
            yield Bench(kind=kind, api=api, driver=driver, asked=lambda: bodies)


async def test_what_is_blocked_can_be_released(bench: Bench) -> None:
    """Any number of times, and nobody else's mark is touched; who can do nothing claims nothing."""
    before = bench.api.shown()
    assert not before
    assert not await bench.driver.is_blocked(CONDEMNED)
    for _ in range(2):
        await bench.driver.block(CONDEMNED)
        assert bool(bench.api.shown()) is bench.is_native
    assert len(bench.api.shown()) in {0, 1, len(bench.api.tags)}  # type: ignore[arg-type]  # a list
    assert await bench.driver.is_blocked(CONDEMNED) is bench.is_native
    for _ in range(2):
        await bench.driver.unblock(CONDEMNED)
        assert bench.api.shown() == before
    assert not await bench.driver.is_blocked(CONDEMNED)


async def test_what_is_gone_is_not_blocked_and_can_be_released(bench: Bench) -> None:
    """Whoever deleted it did more than we would."""
    assert not await bench.driver.is_blocked(GONE)
    await bench.driver.unblock(GONE)


async def test_what_waits_for_a_verdict_is_let_through(bench: Bench) -> None:
    """Where a registry shows nothing before; what somebody has decided stays decided, and nothing else is touched."""
    api = bench.api
    for state, after in (("Quarantined", "Passed"), ("Failed", "Failed"), ("Passed", "Passed")):
        if isinstance(api, AcrDouble):
            api.attributes["quarantineState"] = state
        await bench.driver.admit(CONDEMNED)
        assert not isinstance(api, AcrDouble) or api.attributes["quarantineState"] == after
        assert not api.shown()


async def test_a_tag_goes_and_the_others_stay(bench: Bench) -> None:
    """One that is gone already is gone."""
    for _ in range(2):
        assert await bench.driver.remove_tag(APP, Tag("latest"))
    assert bench.api.tags == {"v1"}


@pytest.mark.parametrize("bench", APIS, indirect=True)
async def test_who_may_not_is_told_so_and_what_passes_is_tried_again(bench: Bench) -> None:
    """With an error of ours, that names the request."""
    for status, error in ((403, AuthenticationError), (503, RegistryUnavailableError)):
        bench.api.refused = {CHANGES[bench.kind]: status}
        with pytest.raises(error, match=CHANGES[bench.kind][0]):
            await bench.driver.block(CONDEMNED)
    bench.api.refused = {}
    await bench.driver.block(CONDEMNED)
    assert await bench.driver.is_blocked(CONDEMNED)


async def test_what_is_asked_is_as_documented(bench: Bench) -> None:
    """Every request of a quarantine and its end, with its body."""
    await bench.driver.block(CONDEMNED)
    await bench.driver.is_blocked(CONDEMNED)
    await bench.driver.unblock(CONDEMNED)
    await bench.driver.remove_tag(APP, Tag("latest"))
    asked = [
        {"request": f"{method} {path}", **({"body": body} if body is not None else {})} for method, path, body in bench.asked()
    ]
    golden = GOLDEN / f"{bench.kind}.json"
    if os.environ.get("REGENERATE"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(json.dumps(asked, indent=1) + "\n")
    assert asked == json.loads(golden.read_text())


@pytest.mark.parametrize("bench", ["distribution", "artifactory"], indirect=True)
async def test_a_registry_that_deletes_no_tag_keeps_it(bench: Bench) -> None:
    """Distribution before version 3 deletes by digest alone."""
    bench.api.refused = {("DELETE", "/manifests/"): 400}
    assert not await bench.driver.remove_tag(APP, Tag("latest"))


def test_the_table_says_what_can_be_done() -> None:
    """Of every kind; that something native can be, where there is a driver for it, and nowhere else."""
    assert {*CAPABILITIES} == {*get_args(RegistryKind)}
    assert {kind for kind, capability in CAPABILITIES.items() if capability.native} == {*DRIVERS}


@pytest.mark.parametrize("bench", ["acr"], indirect=True)
async def test_a_state_that_another_scanner_has_set_stays(bench: Bench) -> None:
    """Ours is the lock alone then; and a state that somebody has changed after us is his."""
    api = bench.api
    assert isinstance(api, AcrDouble)
    for details in ('{"source": "scanner"}', "[" * 9000, None):
        api.attributes |= {"quarantineState": "Failed", "quarantineDetails": details}
        await bench.driver.block(CONDEMNED)
        assert (api.attributes["readEnabled"], api.attributes["quarantineDetails"]) == (False, details)
        await bench.driver.unblock(CONDEMNED)
        assert (api.attributes["readEnabled"], api.attributes["quarantineState"]) == (True, "Failed")
    api.attributes |= {"quarantineState": "Passed"}
    await bench.driver.block(CONDEMNED)
    api.attributes |= {"readEnabled": True}
    await bench.driver.unblock(CONDEMNED)
    assert api.attributes["quarantineState"] == "Passed"
