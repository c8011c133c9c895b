"""How tokens are asked for, kept and replaced; without a network."""

import asyncio
from collections.abc import Mapping

import pytest
from yarl import URL

from tests.doubles.fetched_tokens import TokenService
from watcher.kit.secret import Secret
from watcher.model.errors import AuthenticationError, NotFoundError, RegistryUnavailableError, ThrottledError
from watcher.model.reference import Host
from watcher.registry.auth import MAX_BEARERS, MAX_EXPIRES_SECONDS, MAX_SCOPES_LENGTH, Authorizer
from watcher.registry.challenges import Challenge, Way, parse_challenges
from watcher.registry.credentials import RENEW_SECONDS, CredentialProvider, Credentials

PULL = frozenset({"repository:a:pull"})
PUSH = frozenset({"repository:a:pull,push"})
USER = Credentials(username="user", password=Secret("pa"))
BEARER = 'Bearer realm="https://auth.example.com/token",service="reg"'


class Kept:
    """A source that gives what it holds, and counts how often it was asked."""

    def __init__(self, credentials: Credentials | None) -> None:
        self.credentials = credentials
        self.asked = 0

    async def fetch(self) -> Credentials | None:
        self.asked += 1
        return self.credentials


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def authorizer(
    service: TokenService,
    credentials: Credentials | Kept | None = USER,
    clock: Time | None = None,
    url: str = "https://registry.example.com",
) -> Authorizer:
    host, clock = Host("registry.example.com"), clock or Time()
    source = credentials if isinstance(credentials, Kept) else Kept(credentials)
    return Authorizer(host, URL(url), CredentialProvider(host, source, clock=clock), service.fetch, clock=clock)


def challenge(**parameters: str) -> list[Challenge]:
    return parse_challenges([BEARER + "".join(f',{name}="{value}"' for name, value in parameters.items())])


async def test_nothing_is_sent_before_the_registry_asks() -> None:
    """Credentials leave only after a challenge."""
    service = TokenService()
    assert await authorizer(service).header(PULL) is None
    assert service.asked == []


async def test_a_token_is_fetched_with_basic_credentials() -> None:
    """GET realm?service&scope, with the user's password."""
    service = TokenService()
    header = await authorizer(service).answer(challenge(scope="repository:a:pull"), PULL, None)
    assert header == "Bearer t1"
    method, url, headers, form = service.asked[0]
    assert (method, form) == ("GET", None)
    assert dict(url.query) == {"service": "reg", "scope": "repository:a:pull"}
    assert headers == {"Authorization": "Basic dXNlcjpwYQ=="}


async def test_anonymous_asks_without_credentials() -> None:
    """Docker Hub hands a token to everybody."""
    service = TokenService()
    assert await authorizer(service, None).answer(challenge(), PULL, None) == "Bearer t1"
    assert service.asked[0][2] == {}


async def test_a_repository_with_credentials_of_its_own() -> None:
    """Each token is asked for with those of its repository, and so is a password shown; nobody's are asked for nothing."""
    service, own = TokenService(), Credentials(username="own", password=Secret("pa"))
    ready = authorizer(service, Credentials(narrower={"a": own}))
    basic = parse_challenges(['Basic realm="x"'])
    await ready.answer(challenge(), PULL, None)
    await ready.answer(challenge(), frozenset({"repository:b:pull"}), None)
    assert [headers for _, _, headers, _ in service.asked] == [{"Authorization": "Basic b3duOnBh"}, {}]
    assert await ready.answer(basic, PULL, None) == "Basic b3duOnBh"
    with pytest.raises(AuthenticationError, match="none is configured"):
        await ready.answer(basic, frozenset({"repository:b:pull"}), None)
    assert [await ready.has_credentials(scopes) for scopes in (PULL, frozenset({"repository:b:pull"}))] == [True, False]
    assert await ready.password_header() is None
    # What a challenge names beside it does not choose the credentials, now or at the next request.
    other = parse_challenges([f'{BEARER},scope="repository:b:pull"'])
    assert await ready.answer(other, PULL, "Bearer t1") == "Bearer t3" == await ready.header(PULL)
    _, url, headers, _ = service.asked[-1]
    assert (url.query.getall("scope"), headers) == ([*PULL, "repository:b:pull"], {"Authorization": "Basic b3duOnBh"})


async def test_an_identity_token_is_posted() -> None:
    """The OAuth2 variant: grant_type=refresh_token in a form, never in a URL."""
    service = TokenService()
    credentials = Credentials(identity_token=Secret("refresh"))
    await authorizer(service, credentials).answer(challenge(), PULL, None)
    method, url, _, form = service.asked[0]
    assert (method, url.query_string) == ("POST", "")
    assert form is not None
    assert (form["grant_type"], form["refresh_token"], form["scope"]) == ("refresh_token", "refresh", "repository:a:pull")


async def test_a_finished_token_is_used_as_it_is() -> None:
    """`registrytoken` asks nobody; refused once, it is refused."""
    service = TokenService()
    ready = authorizer(service, Credentials(registry_token=Secret("done")))
    assert await ready.answer(challenge(), PULL, None) == "Bearer done"
    with pytest.raises(AuthenticationError, match="refused"):
        await ready.answer(challenge(), PULL, "Bearer done")
    assert service.asked == []


async def test_tokens_are_kept_per_scope_and_replaced_at_80_percent() -> None:
    """One token serves until four fifths of its life are over."""
    service, clock = TokenService(expires_in=100), Time()
    ready = authorizer(service, clock=clock)
    await ready.answer(challenge(), PULL, None)
    assert await ready.header(PULL) == "Bearer t1"
    assert await ready.header(PUSH) == "Bearer t2"
    clock.now += 79
    assert await ready.header(PULL) == "Bearer t1"
    clock.now += 2
    assert await ready.header(PULL) == "Bearer t3"


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [(None, 60), ("x", 60), (0, 60), (-1, 60), (True, 60), (1e12, MAX_EXPIRES_SECONDS), (10**400, MAX_EXPIRES_SECONDS)],
)
async def test_a_missing_or_odd_lifetime(expires_in: object, lifetime: float) -> None:
    """Sixty seconds where the service does not say, a day at most."""
    service, clock = TokenService(expires_in=expires_in), Time()
    ready = authorizer(service, clock=clock)
    await ready.answer(challenge(), PULL, None)
    clock.now += lifetime * 0.8 - 1
    assert await ready.header(PULL) == "Bearer t1"
    clock.now += 2
    assert await ready.header(PULL) == "Bearer t2"


async def test_insufficient_scope_widens_for_good() -> None:
    """The union of both scopes is asked for, and later requests of the kind ask for it at once."""
    service = TokenService(expires_in=300)
    ready = authorizer(service)
    first = await ready.answer(challenge(scope="repository:a:pull"), PULL, None)
    wider = challenge(scope="repository:a:delete", error="insufficient_scope")
    assert await ready.answer(wider, PULL, first) == "Bearer t2"
    assert service.asked[1][1].query["scope"] == "repository:a:delete,pull"
    assert await ready.header(PULL) == "Bearer t2"
    assert len(service.asked) == 2


async def test_what_is_asked_for_does_not_grow_without_end() -> None:
    """Where each refusal names another scope, the oldest are forgotten; the last one and our own are always asked for."""
    service, header = TokenService(expires_in=300), None
    ready = authorizer(service)
    for each in range(500):
        header = await ready.answer(challenge(scope=f"repository:other/{each}:pull"), PULL, header)
    lengths = [len(str(url)) for _, url, _, _ in service.asked]
    assert max(lengths) < 2 * MAX_SCOPES_LENGTH
    assert lengths[-1] < max(lengths)
    for number, (_, url, _, _) in enumerate(service.asked):
        assert {"repository:a:pull", f"repository:other/{number}:pull"} <= set(url.query.getall("scope"))


async def test_a_refused_token_is_replaced_once_for_everybody() -> None:
    """Ten requests that were refused with one token fetch one new token."""
    service = TokenService(expires_in=300)
    ready = authorizer(service)
    await ready.answer(challenge(), PULL, None)
    async with asyncio.TaskGroup() as group:
        again = [group.create_task(ready.answer(challenge(), PULL, "Bearer t1")) for _ in range(10)]
    assert {task.result() for task in again} == {"Bearer t2"}
    assert len(service.asked) == 2


async def test_basic() -> None:
    """A Basic challenge is answered with the password once; refused, there is nothing better."""
    ready = authorizer(TokenService())
    basic = parse_challenges(['Basic realm="x"'])
    header = await ready.answer(basic, PULL, None)
    assert header == "Basic dXNlcjpwYQ==" == await ready.header(PUSH)
    with pytest.raises(AuthenticationError, match="refused"):
        await ready.answer(basic, PULL, header)
    with pytest.raises(AuthenticationError, match="none is configured"):
        await authorizer(TokenService(), None).answer(basic, PULL, None)


async def test_other_schemes_are_named() -> None:
    """What we cannot speak is said, not tried."""
    with pytest.raises(AuthenticationError, match="negotiate"):
        await authorizer(TokenService()).answer(parse_challenges(["Negotiate"]), PULL, None)
    with pytest.raises(AuthenticationError, match="nothing"):
        await authorizer(TokenService()).answer([], PULL, None)


STRANGER = 'Bearer realm="https://tokens.example.net/token",service="reg"'


async def test_a_stranger_gets_no_credentials() -> None:
    """A realm on another domain is not asked, nor without them: what an anonymous token may not see is perhaps called 404."""
    service = TokenService()
    with pytest.raises(AuthenticationError, match=r"tokens\.example\.net.*token_hosts.*anonymous"):
        await authorizer(service).answer(parse_challenges([STRANGER]), PULL, None)
    assert service.asked == []


async def test_a_stranger_may_be_asked_where_there_is_nothing_to_show() -> None:
    """Small registries let a service of somebody else's issue their anonymous tokens."""
    service = TokenService()
    assert await authorizer(service, None).answer(parse_challenges([STRANGER]), PULL, None) == "Bearer t1"
    ((_, url, headers, _),) = service.asked
    assert (url.host, headers) == ("tokens.example.net", {})
    for realm in ("http://tokens.example.net/t", "ftp://registry.example.com/t", "https://a:b@registry.example.com/t", "//x", ""):
        with pytest.raises(AuthenticationError, match="token service"):
            await authorizer(service, None).answer(parse_challenges([f'Bearer realm="{realm}"']), PULL, None)


class OneAnswers(TokenService):
    """Only the service at `place` is there; /busy asks to be left alone, /down is down, and all others never were."""

    place = "/token"

    async def fetch(self, method: str, url: URL, headers: Mapping[str, str], form: Mapping[str, str] | None) -> bytes:
        body = await super().fetch(method, url, headers, form)
        if url.path == "/down":
            raise RegistryUnavailableError("token service: answered 502")
        if url.path == "/busy":
            raise ThrottledError("token service: answered 429", retry_after_seconds=30)
        if url.path != self.place:
            raise NotFoundError("token service: answered 404")
        return body


def bearer(path: str) -> str:
    return f'Bearer realm="https://auth.example.com{path}"'


DEAD = [
    'Bearer service="reg"',
    'Bearer realm=""',
    'Bearer realm="no url"',
    'Bearer realm="https://["',
    'Bearer realm="https://registry.example.com:99999/token"',
    'Bearer realm="http://auth.example.com/token"',
    "Bearer",
    STRANGER,
    bearer("/gone"),
    bearer("/down"),
    bearer("/busy"),
    "Negotiate",
    "Negotiate YII/+abc==",
    "NTLM TlRMTVNTUAAB",
    'Digest realm="a, b", nonce="c", qop="auth,auth-int"',
    "",
    ", ,",
    '="x"',
]


@pytest.mark.parametrize("dead", DEAD)
async def test_what_does_not_work_is_passed_over_for_what_does(dead: str) -> None:
    """In whatever order, in one header or in several; and what worked is what the next request is sent with."""
    for live, expected in ((bearer("/token"), "Bearer t"), ('Basic realm="r"', "Basic ")):
        for headers in ([dead, live], [live, dead], [f"{dead}, {live}"], [f"{live}, {dead}"], [dead, dead, live, dead]):
            service = OneAnswers()
            ready = authorizer(service)
            header = await ready.answer(parse_challenges(headers), PULL, None)
            assert header is not None
            assert header.startswith(expected)
            before = len(service.asked)
            assert await ready.header(PULL) == header
            assert len(service.asked) == before


async def test_where_nothing_works_each_is_named() -> None:
    """As what says soonest when to come back."""
    nothing = [bearer("/gone"), bearer("/down"), "Bearer", 'Basic realm="r"']
    with pytest.raises(RegistryUnavailableError, match=r"404.*502|502.*404") as caught:
        await authorizer(OneAnswers(), None).answer(parse_challenges(nothing), PULL, None)
    assert "none is configured" in str(caught.value)
    with pytest.raises(ThrottledError) as throttled:
        await authorizer(OneAnswers(), None).answer(parse_challenges([*nothing[1:], bearer("/busy")]), PULL, None)
    assert throttled.value.retry_after_seconds == 30


async def test_a_token_that_the_registry_does_not_take() -> None:
    """Then what it offers besides is answered, each once; and nothing is better than all of that."""
    service, tried = OneAnswers(), set[Way]()
    ready = authorizer(service)
    offers = parse_challenges([bearer("/token"), 'Basic realm="r"'])
    assert await ready.answer(offers, PULL, None, tried) == "Bearer t1"
    assert await ready.answer(offers, PULL, "Bearer t1", tried) == await ready.header(PULL) == "Basic dXNlcjpwYQ=="
    assert await ready.answer(offers, PULL, "Basic dXNlcjpwYQ==", tried) is None


async def test_a_service_that_has_moved_is_heard_of() -> None:
    """Where the one that was named first is gone, the next request is sent without a token, to be told anew."""
    service, clock = OneAnswers(expires_in=60), Time()
    ready = authorizer(service, clock=clock)
    await ready.answer(parse_challenges([bearer("/token")]), PULL, None)
    service.place, clock.now = "/moved", clock.now + 100
    with pytest.raises(AuthenticationError, match="404"):
        await ready.header(PULL)
    assert await ready.header(PULL) is None


async def test_many_services_are_not_all_asked() -> None:
    """A header has room for a hundred of them."""
    service = OneAnswers()
    with pytest.raises(AuthenticationError):
        await authorizer(service).answer(parse_challenges([bearer(f"/{each}") for each in range(100)]), PULL, None)
    assert len(service.asked) == MAX_BEARERS


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", RegistryUnavailableError),
        (b"[]", RegistryUnavailableError),
        (b"{}", AuthenticationError),
        (b'{"token": 3}', AuthenticationError),
        (b'{"token": "a\\r\\nHost: evil"}', AuthenticationError),
    ],
)
async def test_answers_that_hold_no_token(body: bytes, kind: type[Exception]) -> None:
    """A token is printable text or none at all, and no error quotes the answer."""
    service = TokenService()
    service.body = body
    with pytest.raises(kind) as caught:
        await authorizer(service).answer(challenge(), PULL, None)
    assert "evil" not in str(caught.value)


async def test_a_service_that_is_not_there_is_trouble_of_the_registry() -> None:
    """A 404 of the token service says nothing about an image."""

    class Missing(TokenService):
        async def fetch(self, method: str, url: URL, headers: Mapping[str, str], form: Mapping[str, str] | None) -> bytes:
            raise NotFoundError("token service: answered 404")

    with pytest.raises(AuthenticationError, match="404"):
        await authorizer(Missing()).answer(challenge(), PULL, None)


class RefusesOld(TokenService):
    """Knows one password only."""

    async def fetch(self, method: str, url: URL, headers: Mapping[str, str], form: Mapping[str, str] | None) -> bytes:
        body = await super().fetch(method, url, headers, form)
        if headers.get("Authorization") != "Basic dXNlcjpuZXc=":
            raise AuthenticationError("token service: answered 401")
        return body


async def test_a_password_that_was_replaced_is_looked_up_again() -> None:
    """The token service refuses the old one; what the source has now is tried, once."""
    kept, clock, service = Kept(USER), Time(), RefusesOld()
    ready = authorizer(service, kept, clock)
    with pytest.raises(AuthenticationError):
        await ready.answer(challenge(), PULL, None)
    assert kept.asked == 1
    clock.now += RENEW_SECONDS
    kept.credentials = Credentials(username="user", password=Secret("new"))
    assert await ready.answer(challenge(), PULL, None) == f"Bearer t{len(service.asked)}"
    assert kept.asked == 2


async def test_a_basic_password_that_was_replaced_is_looked_up_again() -> None:
    """Likewise where the registry itself takes it: Amazon's is good for twelve hours."""
    kept, clock = Kept(USER), Time()
    ready = authorizer(TokenService(), kept, clock)
    basic = parse_challenges(['Basic realm="x"'])
    header = await ready.answer(basic, PULL, None)
    clock.now += RENEW_SECONDS
    kept.credentials = Credentials(username="user", password=Secret("new"))
    assert await ready.answer(basic, PULL, header) == "Basic dXNlcjpuZXc="
    with pytest.raises(AuthenticationError, match="refused"):
        await ready.answer(basic, PULL, "Basic dXNlcjpuZXc=")


async def test_the_public_gallery_s_scope() -> None:
    """A scope that is one word is asked for as it is."""
    service = TokenService()
    await authorizer(service, url="https://public.ecr.aws").answer(
        parse_challenges(['Bearer realm="https://public.ecr.aws/token/",service="public.ecr.aws",scope="aws"']), PULL, None
    )
    assert service.asked[0][1].query.getall("scope") == ["aws", "repository:a:pull"]
