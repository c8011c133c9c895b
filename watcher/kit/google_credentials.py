"""Who we are to Google, by a file that it wrote or by what is found on the machine."""

import json
from pathlib import Path
from typing import Any

from watcher.kit.cloud_trouble import Kind, Raising, Trouble
from watcher.kit.netrc import forget_netrc

AWS_TOKEN = "urn:ietf:params:aws:token-type:aws4_request"  # noqa: S105  what Google calls a kind of token


def credentials_of(path: str, *, name: str, raising: Raising) -> Any:
    """Out of the file, or with '' out of what the machine has; to speak to what is called `name`. Blocks.

    Raises what `raising` makes of it when there are none.
    """
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    forget_netrc()
    of_machine: Any = google.auth.default
    try:
        return of_file(path) if path else of_machine()[0]
    except (GoogleAuthError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        text = f"{name}: no credentials in {path or 'this machine'} ({type(error).__name__})"
        raise raising(Trouble(kind=Kind.CREDENTIALS, text=text)) from error


def of_file(path: str) -> Any:
    """Credentials out of a file that Google wrote. By kind: Google deprecated the call that takes any, which may run programs.

    Raises:
        ValueError and the like: it is not one of those.
    """
    from google.auth import aws, identity_pool
    from google.oauth2 import service_account

    kinds: Any = {"service_account": service_account.Credentials, "external_account": identity_pool.Credentials}
    info = json.loads(Path(path).read_bytes())
    kind = kinds[info["type"]]
    if info["type"] == "service_account":
        return kind.from_service_account_info(info)
    of_amazon: Any = aws.Credentials
    return (of_amazon if info["subject_token_type"] == AWS_TOKEN else kind).from_info(info)
