"""How the sender of a configured webhook proves itself, in the words of the text that `watcher init` has for its dialect."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from watcher.cli.init_dialects import SETUPS
from watcher.cli.init_values import amazon_in
from watcher.sources.webhook_senders import ANY_SIGNATURE, SENDERS
from watcher.sources.webhook_settings import (
    BasicAuth,
    BearerAuth,
    HmacAuth,
    OidcAuth,
    PathTokenAuth,
    SnsAuth,
    WebhookAuth,
    WebhookSourceSettings,
)

_AUTHORIZATION = re.compile("authorization", re.IGNORECASE)
# What is left to do with the text of an example of a project.
WRITE_PROJECT = "# Then write the project's id in place of my-project in {{file}}.\n"
_TYPE = re.compile(r"auth: \{type: ([a-z-]+)")
_GOOGLE_ACCOUNT = re.compile(r"(?P<name>[^@]+)@(?P<project>[^.]+)\.iam\.gserviceaccount\.com")


def proven(source: WebhookSourceSettings, template: str, hook: str, secret: str) -> tuple[str, Mapping[str, str]]:
    """The template as the source has it, and values for it; in its place one sentence where it is for another type of `auth`."""
    auth, usual = source.auth, _usual(source.dialect)
    in_url = usual == "path-token"
    match auth:
        case BearerAuth(query=query) if in_url and query:
            return template, {"url": _url(auth, hook, secret)}
        case BasicAuth() if in_url and "basic" in SENDERS[source.dialect].proofs:
            return template, {"url": hook.replace("://", f"://{quote(auth.username, safe='')}:{secret}@", 1)}
        case _ if str(auth.__struct_config__.tag) != usual:
            return _sentence(source, usual, hook, secret), {}
        case BearerAuth(header=header) if not _AUTHORIZATION.fullmatch(header):
            named = _AUTHORIZATION.sub(header, template)
            return (_sentence(source, usual, hook, secret) if named == template else named), {}
        case PathTokenAuth():
            return template, {"url": _url(auth, hook, secret)}
        case BasicAuth(username=user):
            return template, {"user": user}
        case OidcAuth():
            return _google(auth, template), {"audience": auth.audience, "email": auth.email}
        case SnsAuth(topics=(topic, *_)):
            *_, region, account, name = topic.split(":")
            return template.replace("registry-watcher", name), amazon_in(region, account)
        case _:
            return template, {}


def _usual(dialect: str) -> str:
    """The type of `auth` that the text is for."""
    found = _TYPE.search(SETUPS[dialect].auth)
    assert found is not None
    return found[1]


def _url(auth: WebhookAuth, hook: str, secret: str) -> str:
    match auth:
        case PathTokenAuth():
            return f"{hook}/{secret}"
        case BearerAuth(query=query) if query:
            return f"{hook}?{query}={secret}"
        case _:
            return hook


def _google(auth: OidcAuth, template: str) -> str:
    """Where the service account tells its name and project, those are no example either."""
    text = template.replace("--push-auth-token-audience {{url}}", "--push-auth-token-audience {{audience}}")
    text = text.replace("watcher-push@my-project.iam.gserviceaccount.com", "{{email}}")
    if match := _GOOGLE_ACCOUNT.fullmatch(auth.email):
        text = text.replace(WRITE_PROJECT, "").replace("watcher-push", match["name"]).replace("my-project", match["project"])
    return text


def _sentence(source: WebhookSourceSettings, usual: str, hook: str, secret: str) -> str:
    auth, sender = source.auth, SENDERS[source.dialect]
    match auth:
        case BearerAuth(header=header, query=query) if not query:
            how = f" with the header `{header}: Bearer {secret}`"
        case BasicAuth(username=user):
            how = f" as the user `{user}` with the password {secret}"
        case HmacAuth(header=header):
            signed = header or next(iter(sender.signature.prefixes), ANY_SIGNATURE) if sender.signature else ANY_SIGNATURE
            how = f" what it signs with {secret} in the header `{signed}`"
        case OidcAuth(audience=audience, email=email):
            how = f" with a token for the audience {audience}, of {email}"
        case SnsAuth(topics=topics):
            how = f" by the topic {topics[0]} of SNS"
        case PathTokenAuth() | BearerAuth():
            how = ""  # the URL has it all
        case _:
            how = " without any proof of who it is"
    where = sender.proofs.get(str(auth.__struct_config__.tag))
    told = f" ({where})" if where else ""
    name = SETUPS[source.dialect].name
    return (
        f"# {name} is to post to {_url(auth, hook, secret)}{how}{told};"
        f" what to write there is known for `auth: {{type: {usual}}}` alone.\n"
    )
