"""What a page of a list says follows it: `Link: <…>; rel="next"`, on the registry itself.

Spec: OCI distribution-spec v1.1 "Listing Tags", "Listing Referrers"; RFC 8288.
"""

import re

from yarl import URL

from watcher.model.errors import RegistryUnavailableError
from watcher.registry.client import RegistryClient
from watcher.registry.wire import Response


def next_page(client: RegistryClient, response: Response) -> URL | None:
    """Where the list goes on, None when it ends: on the registry itself, whatever host the link names.

    Proxies that end TLS are known to write the wrong one. Raises RegistryUnavailableError: it links to nothing that is a URL.
    """
    following = next_link(response.headers.get("Link"))
    if following is None:
        return None
    own = client.base_url
    try:
        target = response.url.join(URL(following, encoded=True))
        # Not joined: a path that begins with two slashes would name a host.
        return URL.build(
            scheme=own.scheme, authority=own.raw_authority, path=target.raw_path, query_string=target.raw_query_string, encoded=True
        )
    except ValueError as error:
        raise RegistryUnavailableError(f"{client.registry}{response.url.path}: links to something that is no URL") from error


def next_link(header: str | None) -> str | None:
    """The target of `rel="next"` in a `Link` header (RFC 8288), None when there is none."""
    for target, parameters in re.findall(r"<([^<>]*)>((?:\s*;[^,<>]*)*)", header or ""):
        if re.search(r';\s*rel\s*=\s*"?next"?\s*(;|$)', parameters, re.IGNORECASE):
            return str(target)
    return None
