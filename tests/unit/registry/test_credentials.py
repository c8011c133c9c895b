"""Credentials are asked for when needed, again before they end, and once when refused."""

import asyncio

import pytest

from watcher.kit.secret import Secret
from watcher.model.errors import AuthenticationError, ConfigurationError, RegistryUnavailableError
from watcher.model.reference import Host
from watcher.registry.aside import Aside
from watcher.registry.credentials import (
    FAILED_SECONDS,
    RECHECK_SECONDS,
    RENEW_SECONDS,
    Anonymous,
    CredentialProvider,
    Credentials,
)
from watcher.registry.credentials_first import FirstOf


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Issuer:
    """Gives p1, p2, …, each good for `lifetime_seconds`, or raises `error`."""

    def __init__(self, lifetime_seconds: float | None = None) -> None:
        self.lifetime_seconds = lifetime_seconds
        self.error: Exception | None = None
        self.asked = 0

    async def fetch(self) -> Credentials | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return Credentials(username="u", password=Secret(f"p{self.asked}"), lifetime_seconds=self.lifetime_seconds)


class Provided:
    def __init__(self, issuer: Issuer) -> None:
        self.time = Time()
        self.provider = CredentialProvider(Host("registry.example.com"), issuer, clock=self.time)

    async def password(self) -> str:
        found = await self.provider.credentials()
        return found.password.reveal() if found and found.password else ""


async def test_replaced_at_four_fifths_of_their_life() -> None:
    """A token of twelve hours is asked for again after nine hours and 36 minutes."""
    provided = Provided(Issuer(lifetime_seconds=43_200))
    assert await provided.password() == "p1"
    provided.time.now += 43_200 * 0.8 - 1
    assert await provided.password() == "p1"
    provided.time.now += 2
    assert await provided.password() == "p2"


async def test_what_has_no_end_is_looked_up_again_each_hour() -> None:
    """Files are rotated."""
    provided = Provided(Issuer())
    assert await provided.password() == "p1"
    provided.time.now += RECHECK_SECONDS
    assert await provided.password() == "p2"


async def test_a_hundred_who_ask_at_once_ask_once() -> None:
    """Everybody waits for the same answer."""
    issuer = Issuer()
    provided = Provided(issuer)
    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(provided.password())
    assert issuer.asked == 1


async def test_a_source_that_asks_for_patience_is_left_alone() -> None:
    """For as long as it says, and everybody who waits for it is told the same."""
    issuer = Issuer()
    provided = Provided(issuer)
    issuer.error = RegistryUnavailableError("answered 429", retry_after_seconds=120)
    for seconds, asked in ((0, 1), (FAILED_SECONDS, 1), (119 - FAILED_SECONDS, 1), (1, 2)):
        provided.time.now += seconds
        with pytest.raises(RegistryUnavailableError):
            await provided.password()
        assert issuer.asked == asked


async def test_what_is_held_is_used_while_its_source_is_silent() -> None:
    """An outage of the token service is not felt before the token has ended."""
    issuer = Issuer(lifetime_seconds=1000)
    provided = Provided(issuer)
    await provided.password()
    issuer.error = RegistryUnavailableError("down", retry_after_seconds=7)
    provided.time.now += 900
    assert await provided.password() == "p1"
    assert await provided.password() == "p1"
    assert issuer.asked == 2
    provided.time.now += 101
    with pytest.raises(RegistryUnavailableError) as caught:
        await provided.password()
    assert caught.value.retry_after_seconds == 7
    issuer.error = None
    provided.time.now += FAILED_SECONDS
    assert await provided.password() == "p4"


async def test_a_source_that_fails_is_left_alone_for_a_while() -> None:
    """A hundred jobs that need it are told what happened, and it is asked once."""
    issuer = Issuer()
    issuer.error = AuthenticationError("no")
    provided = Provided(issuer)
    for _ in range(100):
        with pytest.raises(AuthenticationError):
            await provided.password()
    assert issuer.asked == 1
    provided.time.now += FAILED_SECONDS
    with pytest.raises(AuthenticationError):
        await provided.password()
    assert issuer.asked == 2


async def test_a_secret_that_goes_missing_is_trouble_that_may_pass() -> None:
    """No job ends because a file was being replaced."""
    issuer = Issuer()
    issuer.error = ConfigurationError("file:/run/secret: cannot be read")
    with pytest.raises(AuthenticationError, match="/run/secret"):
        await Provided(issuer).password()


async def test_refused_ones_are_renewed_once() -> None:
    """Not in a loop: what was given a moment ago is refused for good."""
    issuer = Issuer()
    provided = Provided(issuer)
    first = await provided.provider.credentials()
    assert await provided.provider.renew(first) is first
    provided.time.now += RENEW_SECONDS
    second = await provided.provider.renew(first)
    assert second is not first
    # Who was refused with the first later on gets the second, and nobody is asked.
    assert await provided.provider.renew(first) is second
    assert issuer.asked == 2


async def test_the_first_source_that_has_something() -> None:
    """The others are not asked."""
    issuer = Issuer()
    found = await FirstOf(sources=(Anonymous(), issuer)).fetch()
    assert found is not None
    assert await FirstOf(sources=(Anonymous(),)).fetch() is None


async def test_work_aside_is_shared_and_bounded() -> None:
    """One thread at a time; who waits too long is told, and the next one gets the answer that came late."""
    go, runs = asyncio.Event(), list[int]()
    loop = asyncio.get_running_loop()

    def slow() -> str:
        runs.append(1)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(5)
        return "late"

    aside = Aside(slow, name="slow", timeout_seconds=0.05)
    with pytest.raises(AuthenticationError, match="no answer within"):
        await aside.ask()
    aside._timeout_seconds = 60.0  # from here on it is in time
    waiting = asyncio.ensure_future(aside.ask())
    await asyncio.sleep(0)
    go.set()
    assert await waiting == "late"
    assert runs == [1]


async def test_errors_aside_come_through() -> None:
    """As they were raised."""

    def fails() -> None:
        raise ConfigurationError("here")

    with pytest.raises(ConfigurationError, match="here"):
        await Aside(fails, name="fails", timeout_seconds=5).ask()
