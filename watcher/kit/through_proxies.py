"""Sends what aiohttp requests through the proxies that are meant for it, each step of a redirect through its own."""

import aiohttp
from multidict import CIMultiDict

from watcher.kit.http_trouble import ProxyError, clause
from watcher.kit.proxies import Proxies, Proxy


def through(proxies: Proxies) -> aiohttp.ClientMiddlewareType:
    """A middleware for a session. An error that it lets pass has a note with the proxy's name.

    Raises, of every request:
        ProxyError: the proxy cannot be reached, or refuses.
    """

    async def middleware(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        proxy = proxies.of(request.url)
        if proxy is None:
            return await handler(request)
        shown = {"Proxy-Authorization": proxy.authorization.reveal()} if proxy.authorization is not None else {}
        request.update_proxy(proxy.url, None, CIMultiDict({"User-Agent": request.headers.get("User-Agent", ""), **shown}))
        if not request.is_ssl():
            request.headers.update(shown)
        try:
            response = await handler(request)
        except aiohttp.ClientHttpProxyError as error:
            raise ProxyError(refusal_of(proxy, error.status)) from error
        except (aiohttp.ClientProxyConnectionError, aiohttp.ClientConnectorDNSError) as error:
            raise ProxyError(f"the proxy {proxy.name} cannot be reached: {clause(error)}") from error
        except aiohttp.ClientError as error:
            error.add_note(f"through the proxy {proxy.name}")
            raise
        if response.status == 407 and not request.is_ssl():
            response.close()
            raise ProxyError(refusal_of(proxy, response.status))
        return response

    return middleware


def refusal_of(proxy: Proxy, status: int) -> str:
    """What an answer to CONNECT says, or 407 to anything."""
    if status != 407:
        return f"the proxy {proxy.name} refuses to connect us: it answered {status}"
    if proxy.authorization is None:
        return f"the proxy {proxy.name} refuses us: it wants a user and a password (407)"
    return f"the proxy {proxy.name} refuses us: it does not take this user and password (407)"
