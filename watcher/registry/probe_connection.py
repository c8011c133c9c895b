"""Whether a registry can be reached: its name, its port, its certificate, and what it asks of strangers. A part of `probe`."""

import asyncio
import contextlib
import socket
import ssl
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from watcher.kit import tunnel
from watcher.kit.checkup import Found, Result
from watcher.kit.counted import counted
from watcher.kit.http_trouble import ProxyError, clause
from watcher.kit.retry_after import moment_of
from watcher.model.errors import ForbiddenAddressError, RegistryRefusedError, RegistryUnavailableError
from watcher.registry.answers import RETRIED_STATUSES, refusal
from watcher.registry.challenges import Challenge
from watcher.registry.client import RegistryClient
from watcher.registry.redirects import check_realm
from watcher.registry.settings import is_loopback
from watcher.registry.trouble import A_PAGE, is_page
from watcher.registry.wire import Response

# Renewals that work are done by then: Let's Encrypt's thirty days before the end, most others' two weeks.
EXPIRES_SOON = timedelta(days=14)
# Tokens are good for minutes, and some services allow a minute of difference.
MOST_SKEW_SECONDS = 60.0
STRANGER = "if that is its token service, name it in token_hosts: it will see the credentials"

# In TLS 1.3 a handshake is over before the other side has seen our certificate, or that there is none. HTTP says nothing by itself.
OBJECTION_SECONDS = 0.3


async def resolve(client: RegistryClient) -> Found:
    """The addresses of the registry's name, or of the proxy that resolves it in our place."""
    url = client.base_url
    proxy = client.wire.proxies.of(url)
    asked = url if proxy is None else proxy.url
    try:
        found = await asyncio.get_running_loop().getaddrinfo(asked.raw_host, asked.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no name"
        whose = "the name" if proxy is None else "the name of the proxy"
        raise RegistryUnavailableError(f"{asked.host}: {whose} cannot be resolved ({why})") from error
    addresses = ", ".join(dict.fromkeys(str(address[0]) for *_, address in found))
    return Found(detail=addresses if proxy is None else f"left to the proxy {proxy.name} ({addresses})")


async def connect(client: RegistryClient) -> Found:
    """A connection to its port, with TLS unless the scheme is http."""
    url = client.base_url
    is_tls = url.scheme == "https"
    proxies = client.wire.proxies
    proxy = proxies.of(url)
    through = f" through the proxy {proxy.name}" if proxy is not None else ""
    try:
        reader, writer = await tunnel.connect(url, proxies, client.wire.tls_of(url) if is_tls else None)
    except ssl.SSLCertVerificationError as error:
        return await _untrusted(client, error.verify_message)
    except ssl.SSLError as error:
        return _no_handshake(client, error)
    except (OSError, ProxyError) as error:
        raise RegistryUnavailableError(f"{url.host} port {url.port}: {clause(error)}") from error
    try:
        if not is_tls:
            return _plain(url.host or "", url.port, through)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OBJECTION_SECONDS):
                if not await reader.read(1):
                    return _refused(client, "it ends the connection after the handshake")
        return _trusted(writer.get_extra_info("ssl_object"), client.clock(), through)
    except (ssl.SSLError, ConnectionError):
        return _refused(client, "it ends the connection after the handshake")
    finally:
        writer.close()


async def ping(client: RegistryClient) -> tuple[Response, Sequence[Challenge]]:
    """The answer of `/v2/` to a stranger, which is that of a registry.

    Raises:
        RegistryRefusedError, RegistryUnavailableError, ThrottledError: it is not, or not now.
    """
    response, challenges = await client.as_stranger("/v2/")
    if is_page(response.headers, response.body) and response.status == 200:
        raise RegistryRefusedError(f"{response.what}: {A_PAGE}")
    if response.status >= 500 or response.status in RETRIED_STATUSES or response.status not in {200, 401, 403}:
        raise refusal(response.what, response.status, response.headers, response.body, client.clock())
    return response, challenges


def pinged(client: RegistryClient, response: Response, challenges: Sequence[Challenge]) -> Found:
    """What that answer says. Raises ForbiddenAddressError where all that it offers is a token service that nobody may ask."""
    if response.url.origin() != client.base_url.origin():
        led = f"/v2/ leads away to {response.url.authority}"
        return Found(detail=led, result=Result.WARNING, advice="write the host that answers; credentials do not follow a redirect")
    if response.status == 200:
        return Found(detail="/v2/ asks for nothing")
    if not challenges:
        mute = f"/v2/ answers {response.status} without saying what it asks for"
        return Found(detail=mute, result=Result.WARNING, advice="a proxy in front of it, perhaps, that knows no clients")
    refused: list[ForbiddenAddressError] = []
    for bearer in (each for each in challenges if each.scheme == "bearer"):
        realm, service = bearer.parameters.get("realm", ""), bearer.parameters.get("service", "")
        try:
            url = check_realm(realm, client.base_url, shows=False)
        except ForbiddenAddressError as error:
            refused.append(error)
            continue
        asks = f"/v2/ asks for a token of {url.authority}{url.path}" + (f" for {service}" if service else "")
        try:
            check_realm(realm, client.base_url, token_hosts=client.settings.token_hosts)
        except ForbiddenAddressError:
            return Found(
                detail=f"{asks}, a stranger, who is asked without credentials only", result=Result.WARNING, advice=STRANGER
            )
        return Found(detail=asks)
    if refused and all(each.scheme == "bearer" for each in challenges):
        raise refused[0]
    return Found(detail=f"/v2/ asks for {', '.join(each.scheme[:20] for each in challenges)} authentication")


async def told_time(client: RegistryClient, response: Response) -> Found:
    """Its clock against ours."""
    theirs = moment_of(response.headers.get("Date", ""))
    if theirs is None:
        return Found(detail="it does not say what time it is", result=Result.SKIPPED)
    ahead = (theirs - client.clock()).total_seconds()
    if abs(ahead) <= MOST_SKEW_SECONDS:
        return Found(detail="its clock and ours agree")
    side = "ahead of" if ahead > 0 else "behind"
    advice = "set the clock that is wrong (NTP): tokens are refused before their time, or end early"
    return Found(detail=f"its clock is {timedelta(seconds=round(abs(ahead)))} {side} ours", result=Result.WARNING, advice=advice)


def _no_handshake(client: RegistryClient, error: ssl.SSLError) -> Found:
    """An alert is what the other side says of us; anything else is no TLS."""
    reason = error.reason or "handshake failed"
    if "ALERT" in reason:
        return _refused(client, f"it refuses us in TLS ({reason})")
    advice = "if it is plain HTTP on purpose, write scheme: http"
    return Found(detail=f"{client.base_url.authority}: does not speak TLS ({reason})", result=Result.FAILED, advice=advice)


def _refused(client: RegistryClient, how: str) -> Found:
    """What it says of itself in an alert of TLS 1.3 is lost on the way to us."""
    if client.settings.client_cert is None:
        advice = "if it asks for a certificate, write ours: client_cert"
    else:
        advice = "see whether client_cert is of an authority that it trusts, and has not ended"
    return Found(detail=how, result=Result.FAILED, advice=advice)


def _plain(host: str, port: int | None, through: str) -> Found:
    if is_loopback(host):
        return Found(detail=f"port {port}, plain HTTP on this machine")
    advice = "use https: whoever is in between reads the credentials and changes images"
    return Found(detail=f"port {port}, plain HTTP{through}", result=Result.WARNING, advice=advice)


def _trusted(tls: ssl.SSLObject, now: datetime, through: str) -> Found:
    ends = ends_at(tls.getpeercert() or {})
    if ends is None:
        return Found(detail=f"{tls.version()}{through}, a certificate that does not say until when", result=Result.WARNING)
    detail = f"{tls.version()}{through}, certificate until {ends:%Y-%m-%d}"
    if ends - now > EXPIRES_SOON:
        return Found(detail=detail)
    days = max(0, (ends - now).days)
    return Found(
        detail=f"{detail}, {counted(days, 'day')} from now", result=Result.WARNING, advice="have its operator renew the certificate"
    )


async def _untrusted(client: RegistryClient, why: str) -> Found:
    """Who issued it, which names a proxy that opens TLS, or the authority to be trusted."""
    why = why.rstrip(".")
    detail = f"its certificate is not trusted: {why}{await _issuer(client)}"
    if "expired" in why:
        advice = "have its operator renew the certificate; or set the clock of this machine"
    elif "ismatch" in why:
        advice = "write the host by a name that the certificate is for"
    elif client.settings.ca_file is not None:
        advice = f"{client.settings.ca_file} (ca_file) does not hold the authority that issued it"
    else:
        advice = "write the authority that issued it, as PEM, to a file and name that: ca_file"
    return Found(detail=detail, result=Result.FAILED, advice=advice)


async def _issuer(client: RegistryClient) -> str:
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE  # to look at it; nothing is sent
    url = client.base_url
    try:
        _, writer = await tunnel.connect(url, client.wire.proxies, blind)
    except (OSError, ProxyError):
        return ""
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return f"; issued by {issuer}" if (issuer := issuer_of(shown or b"")) else ""


def issuer_of(certificate: bytes) -> str:
    """Who issued what anybody may have made, in DER; nothing where that cannot be read."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    with warnings.catch_warnings(action="ignore"):  # of what is odd in it, and can be read
        try:
            return x509.load_der_x509_certificate(certificate).issuer.rfc4514_string()[:200]
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
            return ""


def ends_at(certificate: Mapping[str, object]) -> datetime | None:
    """When a certificate ends, as the ssl module tells it; None where it does not say so."""
    try:
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate.get("notAfter"))), UTC)
    except (ValueError, OverflowError, OSError):  # the last two where the platform counts no further
        return None
