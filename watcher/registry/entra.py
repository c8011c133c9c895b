"""Access tokens of Microsoft Entra: for an application, a workload identity, or the managed identity of this machine."""

import asyncio
import os
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from watcher.kit.clock import utc_now
from watcher.kit.connector import trusting
from watcher.kit.http_trouble import clause
from watcher.kit.proxies import Proxies
from watcher.kit.retry_after import asked_seconds
from watcher.kit.secret import Secret, resolve
from watcher.kit.through_proxies import through
from watcher.kit.version import VERSION
from watcher.model.errors import AuthenticationError, ConfigurationError, RegistryUnavailableError
from watcher.registry.bodies import read_body
from watcher.registry.settings import AcrAuth

ANSWER_SECONDS = 10.0
# The metadata service is on this machine's own link: it answers at once, or there is none.
CONNECT_SECONDS = 2.0
MAX_ANSWER_BYTES = 256 * 1024
IDENTITY_API_VERSION = "2018-02-01"
PUBLIC_AUTHORITY = "https://login.microsoftonline.com"

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_CODE = re.compile(r"[A-Za-z0-9_]{1,60}")


class NoIdentityError(AuthenticationError):
    """This machine has no identity: nothing is configured, and no managed identity answers."""


async def entra_token(settings: AcrAuth, proxies: Proxies) -> Secret:
    """An access token for `settings.audience`; an application's through `proxies`, this machine's without.

    Raises:
        NoIdentityError, AuthenticationError, RegistryUnavailableError
        ConfigurationError: what the settings name is not there.
    """
    environment = os.environ
    client_id = settings.client_id or environment.get("AZURE_CLIENT_ID") or ""
    file = settings.federated_token_file
    secret: Secret | None = None
    if settings.client_secret is not None:
        secret = await asyncio.to_thread(resolve, settings.client_secret)
    elif file is None:
        # The environment's secret is that of the environment's application.
        if environment.get("AZURE_CLIENT_SECRET") and client_id and client_id == environment.get("AZURE_CLIENT_ID"):
            secret = Secret(environment["AZURE_CLIENT_SECRET"])
        file = environment.get("AZURE_FEDERATED_TOKEN_FILE") or None
    form = {"grant_type": "client_credentials", "client_id": client_id, "scope": f"{settings.audience}/.default"}
    if secret is not None:
        return await _of_application(settings, {**form, "client_secret": secret.reveal()}, proxies)
    if file is not None:
        if not client_id:
            raise ConfigurationError("auth: {type: acr}: a workload identity needs client_id, or AZURE_CLIENT_ID")
        # Kubernetes replaces it every hour or so.
        assertion = await asyncio.to_thread(resolve, f"file:{file}")
        proof = {"client_assertion_type": _ASSERTION, "client_assertion": assertion.reveal()}
        return await _of_application(settings, {**form, **proof}, proxies)
    return await _of_machine(settings, client_id)


def tenant_of(settings: AcrAuth) -> str | None:
    return settings.tenant or os.environ.get("AZURE_TENANT_ID") or None


async def _of_application(settings: AcrAuth, form: Mapping[str, str], proxies: Proxies) -> Secret:
    tenant = tenant_of(settings)
    if tenant is None or re.fullmatch(r"[A-Za-z0-9.-]+", tenant) is None:
        raise ConfigurationError("auth: {type: acr}: an application needs tenant, or AZURE_TENANT_ID")
    authority = settings.authority
    if authority == PUBLIC_AUTHORITY:
        authority = os.environ.get("AZURE_AUTHORITY_HOST") or authority
    status, answer, asked = await _call("POST", f"{authority.rstrip('/')}/{tenant}/oauth2/v2.0/token", {}, form, {}, proxies)
    return _token(status, answer, "Microsoft Entra", asked)


async def _of_machine(settings: AcrAuth, client_id: str) -> Secret:
    query = {"api-version": IDENTITY_API_VERSION, "resource": settings.audience}
    if client_id:
        query["client_id"] = client_id
    url = f"{settings.identity_endpoint.rstrip('/')}/metadata/identity/oauth2/token"
    try:
        # A proxy would be given the identity of its own machine.
        status, answer, asked = await _call("GET", url, {"Metadata": "true"}, None, query, Proxies())
    except RegistryUnavailableError as error:
        raise NoIdentityError(f"no managed identity answers on this machine ({error})") from error
    # Another cloud's metadata service answers 404 or 401, Azure's 400 where no identity is assigned.
    if status in {400, 401, 403, 404, 405}:
        raise NoIdentityError(f"this machine has no managed identity (answered {status})")
    return _token(status, answer, "the managed identity", asked)


def _token(status: int, answer: dict[str, Any], who: str, asked: float | None) -> Secret:
    """Raises AuthenticationError, RegistryUnavailableError; with Entra's word for it, and nothing else of its answer."""
    if status == 429 or status >= 500:
        raise RegistryUnavailableError(f"{who}: answered {status}", retry_after_seconds=asked)
    token = answer.get("access_token")
    if status != 200 or not isinstance(token, str) or not token:
        said = answer.get("error")
        code = said if isinstance(said, str) and _CODE.fullmatch(said) else "no token"
        raise AuthenticationError(f"{who}: answered {status}, {code}")
    return Secret(token)


async def _call(
    method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None, query: Mapping[str, str], proxies: Proxies
) -> tuple[int, dict[str, Any], float | None]:
    """Status and JSON object of one answer, an empty object for anything else, and in how many seconds it wants to be asked again.

    Redirects are answers.
    """
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            aiohttp.ClientSession(
                connector=trusting(),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"registry-watcher/{VERSION}"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                middlewares=(through(proxies),),
            ) as session,
            session.request(method, url, headers=headers, data=form, params=query, allow_redirects=False) as response,
        ):
            body = await read_body(response, "token", MAX_ANSWER_BYTES, cut=True)
            status, asked = response.status, asked_seconds(response.status, response.headers, utc_now())
    except TimeoutError as error:
        raise RegistryUnavailableError(f"{url}: no answer") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise RegistryUnavailableError(f"{url}: cannot be reached: {clause(error)}") from error
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        answer = None
    return status, answer if isinstance(answer, dict) else {}, asked
