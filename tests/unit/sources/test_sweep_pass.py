"""One pass over a registry in memory: what is found, what is passed over, and what is told."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.doubles.pass_bench import APP, WEB, Bench, image, open_bench
from watcher.model.errors import (
    AuthenticationError,
)
from watcher.model.holding import Look
from watcher.model.quarantine import marker_tag
from watcher.model.reference import RepositoryName, Tag
from watcher.sources.sweep_pass_look import HEADS_AT_ONCE
from watcher.testing.faults import Fault
from watcher.testing.images import put_image

pytestmark = pytest.mark.enable_socket


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with open_bench() as opened:
        yield opened


async def test_what_has_no_verdict_is_taken_in(bench: Bench) -> None:
    """By tag and digest; what has one under that tag is left alone."""
    one = put_image(bench.registry, APP, image("1"), "v1")
    two = put_image(bench.registry, APP, image("2"), "v2")
    bench.verdicts[APP] = {one: {Tag("v1")}}
    report = await bench.sweep()
    assert bench.found == [(APP, "v2", two)]
    assert (report.repositories, report.images, len(report.found), report.taken_in) == (1, 2, 1, 1)
    assert (report.unmatched, report.problems) == ([], [])


async def test_a_tag_that_no_verdict_names_is_news(bench: Bench) -> None:
    """Its image was judged under another tag, which other rules may hold for."""
    digest = put_image(bench.registry, APP, image("1"), "v1")
    put_image(bench.registry, APP, image("1"), "latest")
    bench.verdicts[APP] = {digest: {Tag("v1")}}
    await bench.sweep()
    assert bench.found == [(APP, "latest", digest)]


async def test_a_marker_is_no_name_of_what_it_marks(bench: Bench) -> None:
    """An image that is judged is known without it; under the marker of another, and without a verdict, it is news as any."""
    judged, other = image("judged"), image("other")
    for tag in ("v1", marker_tag(judged.digest)):
        put_image(bench.registry, APP, judged, tag)
    bench.verdicts[APP] = {judged.digest: {Tag("v1")}}
    report = await bench.sweep()
    assert (bench.found, report.lost_tags) == ([], 0)
    put_image(bench.registry, APP, other, marker_tag(other.digest))
    put_image(bench.registry, APP, judged, marker_tag(image("third").digest))
    await bench.sweep()
    assert {*bench.found} == {
        (APP, marker_tag(other.digest), other.digest),
        (APP, marker_tag(image("third").digest), judged.digest),
    }


async def test_what_lost_a_tag_is_looked_at_again(bench: Bench) -> None:
    """It leads elsewhere, or nowhere; a tag that nobody asked for may lead anywhere."""
    now, before, gone = image("now"), image("before"), image("gone")
    put_image(bench.registry, APP, now, "v1")
    known = {now.digest: ["v1"], before.digest: ["v1"], gone.digest: ["v2"]}
    bench.verdicts[APP] = {digest: [Tag(tag) for tag in tags] for digest, tags in known.items()}
    report = await bench.sweep(untagged=False)
    assert (report.found, report.lost_tags) == ([], 2)
    assert {*bench.found} == {(APP, None, before.digest), (APP, None, gone.digest)}
    assert (await bench.sweep(untagged=False, tags=("release-*",))).lost_tags == 0


async def test_many_tags_are_all_asked_for(bench: Bench) -> None:
    """Not only as many as are asked for at a time."""
    digest = put_image(bench.registry, APP, image("1"), "v0")
    for number in range(1, 2 * HEADS_AT_ONCE + 3):
        put_image(bench.registry, APP, image("1"), f"v{number}")
    report = await bench.sweep()
    assert (report.images, report.names) == (1, 2 * HEADS_AT_ONCE + 3)
    assert {(tag, found) for _, tag, found in bench.found} == {(f"v{number}", digest) for number in range(report.names)}


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ({"repositories": ("team/app",)}, {(APP, "v1"), (APP, "dev-1")}),
        ({"repositories": ("team/a*", "team/app")}, {(APP, "v1"), (APP, "dev-1")}),
        ({"exclude": ("**/web",)}, {(APP, "v1"), (APP, "dev-1")}),
        ({"tags": ("v*",)}, {(APP, "v1"), (WEB, "v1")}),
        ({"repositories": ("team/web", "team/**"), "exclude": ("team/web",)}, {(APP, "v1"), (APP, "dev-1"), (WEB, "v1")}),
    ],
)
async def test_only_what_is_asked_for_is_looked_at(bench: Bench, scope: dict[str, Any], found: set[tuple[str, str]]) -> None:
    """Globs of repositories and tags; who is named outright is never excluded."""
    for repository, tag in ((APP, "v1"), (APP, "dev-1"), (WEB, "v1")):
        put_image(bench.registry, repository, image(repository), tag)
    await bench.sweep(**scope)
    assert {(repository, tag) for repository, tag, _ in bench.found} == found


async def test_names_need_no_catalogue(bench: Bench) -> None:
    """Registries that list their repositories for nobody are swept by name."""
    put_image(bench.registry, APP, image("1"), "v1")
    await bench.sweep(repositories=("team/app",))
    assert bench.registry.requests["GET _catalog"] == 0
    assert len(bench.found) == 1


async def test_a_registry_without_a_catalogue_is_told_of(bench: Bench) -> None:
    """What is named is still looked at."""
    registries = bench.in_memory(APP, lists_repositories=False)
    report = await bench.sweep(registries, repositories=("team/app", "team/**"))
    assert [repository for repository, _, _ in bench.found] == [APP]
    assert report.problems == ["does not list its repositories for us"]


async def test_what_nothing_came_of_is_told(bench: Bench) -> None:
    """A name with a slip in it would otherwise be watched for ever, and nobody would know."""
    put_image(bench.registry, APP, image("1"), "v1")
    report = await bench.sweep(repositories=("team/app", "team/none", "other/**", "No Name"))
    assert report.unmatched == [f"no repository is called {each}" for each in ("team/none", "other/**", "No Name")]
    assert len(report.problems) == 1
    assert "No Name" in report.problems[0]


async def test_what_is_no_work_any_more_is_passed_over(bench: Bench) -> None:
    """A tag that is gone since it was listed leads nowhere."""
    report = await bench.sweep(bench.in_memory(APP, answers={bench.name(APP): None}))
    assert (report.images, bench.found) == (0, [])


async def test_a_repository_that_is_gone_may_be_called_forbidden(bench: Bench) -> None:
    """Many registries say so of what is not there; one that is in the catalogue is a problem all the same."""
    registries = bench.in_memory(APP, WEB)
    await bench.sweep(registries)
    registries.no_tags = AuthenticationError("denied")
    del registries.held[bench.registry.host, WEB]
    report = await bench.sweep(registries)
    assert report.problems == [f"{APP}: denied"]
    assert [*await bench.holdings.looks(bench.registry.host)] == [APP]


async def test_who_is_named_is_neither_excluded_nor_forgotten(bench: Bench) -> None:
    """Pass after pass."""
    put_image(bench.registry, APP, image("1"), "v1")
    for _ in range(3):
        await bench.sweep(repositories=(APP,), exclude=("team/*",))
        assert [*await bench.holdings.looks(bench.registry.host)] == [APP]


async def test_what_came_since_the_last_pass_is_as_urgent_as_if_it_had_been_told(bench: Bench) -> None:
    """What was there before the first one, and waits still, is not."""
    old = put_image(bench.registry, APP, image("1"), "v1")
    await bench.sweep()
    assert bench.intake.fresh == []
    new = put_image(bench.registry, APP, image("2"), "v2")
    first = put_image(bench.registry, WEB, image("3"), "v1")
    await bench.sweep()
    assert {push.digest for push in bench.intake.fresh} == {new, first}
    assert old in {push.digest for _, push in bench.intake.swept[-3:]}


async def test_what_is_ours_is_no_image(bench: Bench) -> None:
    """Neither found nor held; where it is ours under one tag, another tag is somebody's."""
    put_image(bench.registry, APP, image("1"), "v1")
    for tag in ("sha256-1", "list", "theirs"):
        digest = put_image(bench.registry, APP, image("list" if tag != "sha256-1" else tag), tag)
        bench.written[digest] = None if tag == "sha256-1" else Tag("list")
    report = await bench.sweep()
    assert {tag for _, tag, _ in bench.found} == {"v1", "theirs"}
    assert (report.images, report.without_verdict) == (2, 2)
    assert {each.tag for each in await bench.holdings.held(bench.registry.host, APP)} == {"v1", "theirs"}


async def test_what_is_held_follows_the_registry(bench: Bench) -> None:
    """A tag that moved, one that went, one that could not be asked for, and a repository that is there no more."""
    one, two = image("1"), image("2")
    for tag in ("v1", "v2", "v3"):
        put_image(bench.registry, APP, one, tag)
    put_image(bench.registry, WEB, one, "v1")
    await bench.sweep()
    put_image(bench.registry, APP, two, "v1")
    bench.registry.content.existing(APP).delete_manifest("v2")
    bench.registry.content.existing(APP).delete_manifest("v3")
    del bench.registry.content.repositories[WEB]
    put_image(bench.registry, APP, two, "v3")
    bench.registry.faults.add(Fault(path=f"/v2/{APP}/manifests/v3", status=400, times=9))
    report = await bench.sweep()
    held = await bench.holdings.held(bench.registry.host, APP)
    assert {(each.tag, each.digest) for each in held} == {("v1", two.digest), ("v3", one.digest)}
    assert [*await bench.holdings.looks(bench.registry.host)] == [APP]
    assert len(report.problems) == 1
    assert "v3" in report.problems[0]


async def test_what_a_sweep_is_not_told_to_look_at_any_more_is_forgotten(bench: Bench) -> None:
    """Else the ledger would have images for ever that nobody asks for; what another sweep looks at stays."""
    for name in (APP, WEB):
        put_image(bench.registry, name, image(name), "v1")
    await bench.sweep()
    await bench.holdings.looked(
        Look(registry=bench.registry.host, repository=RepositoryName("other/app"), by="other", at=bench.clock(), problem="403")
    )
    await bench.sweep(repositories=("team/a*",))
    assert {*await bench.holdings.looks(bench.registry.host)} == {APP, "other/app"}


async def test_a_rule_that_matches_nothing_is_told(bench: Bench) -> None:
    """Of tags and of what is left out as well."""
    put_image(bench.registry, APP, image("1"), "v1")
    report = await bench.sweep(tags=("v*", "release-*"), exclude=("old/**",))
    assert report.unmatched == ["no tag is called release-*", "old/** excludes nothing"]
    report = await bench.sweep(tags=("**",), exclude=("team/**",))
    assert report.unmatched == []


async def test_digests_that_cannot_be_listed_hide_no_tag(bench: Bench) -> None:
    """Their list is often an API of its own; what was seen without a tag before stays held."""
    registries = bench.in_memory(APP)
    registries.lists_digests = True
    other = image("untagged")
    registries.held[bench.registry.host, APP].add(other)
    await bench.sweep(registries)
    registries.no_digests = AuthenticationError("no permission to list them")
    registries.held[bench.registry.host, APP].add(image("new"), Tag("v2"))
    report = await bench.sweep(registries)
    assert report.problems == [f"{APP}: digests without a tag: no permission to list them"]
    held = {(each.tag, each.digest) for each in await bench.holdings.held(bench.registry.host, APP)}
    assert held == {(Tag("v1"), image(APP).digest), (Tag("v2"), image("new").digest), (None, other.digest)}


async def test_one_repository_that_is_refused_hides_no_other(bench: Bench) -> None:
    """It is told of, and the pass goes on."""
    put_image(bench.registry, APP, image("1"), "v1")
    put_image(bench.registry, WEB, image("2"), "v1")
    bench.registry.faults.add(Fault(path=f"/v2/{APP}/tags/list", status=403, times=9))
    report = await bench.sweep()
    assert [repository for repository, _, _ in bench.found] == [WEB]
    assert len(report.problems) == 1
    assert report.problems[0].startswith(f"{APP}: ")
