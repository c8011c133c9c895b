"""A registry's own API, beside the specification's, on the same host."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from watcher.model.errors import RegistryRefusedError
from watcher.registry.client import RegistryClient
from watcher.registry.protocol import ApiAnswer

# A page of labels or of what is known of a manifest; whatever is longer is not what was asked for.
MAX_ANSWER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RegistryOwnApi:
    """`OwnApi` over a registry."""

    client: RegistryClient

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        scopes: Collection[str] = (),
        accept: Collection[int] = (200,),
    ) -> ApiAnswer:
        """See `OwnApi.call`."""
        response = await self.client.request(
            method,
            path,
            scopes=frozenset(scopes),
            headers={"Accept": "application/json"} | ({} if body is None else {"Content-Type": "application/json"}),
            data=None if body is None else msgspec.json.encode(body),
            limit_bytes=MAX_ANSWER_BYTES,
            accept=frozenset(accept),
            password=not scopes,
        )
        if not response.body.strip() or response.status >= 400:
            return ApiAnswer(status=response.status)
        try:
            return ApiAnswer(status=response.status, document=msgspec.json.decode(response.body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            what = f"{method} {response.url.authority}{response.url.path}"
            raise RegistryRefusedError(f"{what}: answered {response.status} with something that is not JSON") from error
