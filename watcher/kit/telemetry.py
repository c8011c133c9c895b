"""Logs of one process."""

import logging
import os
import re
import sys
from functools import lru_cache
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from watcher.kit.printable import printable

HIDDEN = "***"
_SECRET_NAME = re.compile(r"(?i)(authorization|password|passwd|secret|token|api_?key|cookie|credential)")
_SECRET_TEXT = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=:-]+"), r"\1 " + HIDDEN),
    (re.compile(r"(://[^/\s:@]*):[^/\s@]+@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"(/hooks/[^/\s?]+/)[^\s?\"']+"), rf"\1{HIDDEN}"),
    (re.compile(r"(/hooks/[^\s?\"']+\?)[^\s\"']+"), rf"\1{HIDDEN}"),
    (re.compile(r"(/k8s/(?:admission|imagereview)/)[^\s?\"']+"), rf"\1{HIDDEN}"),
)
# What all of these forms begin with. Most texts of a line have none of it, and are looked at once instead of five times.
_MAY_BE_SECRET = re.compile(r"(?i)bearer|basic|://|/hooks/|/k8s/")


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A second lock: secrets are never logged on purpose, and what slips in by mistake does not get out.

    By the name of a field, and inside of texts (tracebacks, messages of libraries) by the forms in which secrets travel.
    """
    return {name: HIDDEN if _names_a_secret(name, value) else _redacted(value) for name, value in event.items()}


def _names_a_secret(name: str, value: Any) -> bool:
    # Numbers and booleans (`secrets=3`) count things, they are none.
    return isinstance(value, (str, bytes)) and _is_a_secrets_name(name)


@lru_cache(maxsize=1024)
def _is_a_secrets_name(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: HIDDEN if _names_a_secret(str(name), each) else _redacted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_redacted(each) for each in value]
    if not isinstance(value, str) or _MAY_BE_SECRET.search(value) is None:
        return value
    for pattern, replacement in _SECRET_TEXT:
        value = pattern.sub(replacement, value)
    return value


def _shown(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """For a terminal, whose screen texts of others could rewrite; a traceback keeps its lines."""
    return {name: printable(value) if isinstance(value, str) and name != "exception" else value for name, value in event.items()}


def configure_logging(*, level: str = "info", stream: TextIO | None = None, as_json: bool | None = None) -> None:
    """Send everything to `stream` (stderr): columns on a terminal, else one JSON object a line. Ours and libraries' alike.

    Call once per process, before the first line. Repeating it replaces the set-up.
    """
    stream = stream or sys.stderr
    as_json = not stream.isatty() if as_json is None else as_json
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    # Plain tracebacks: the pretty ones print local variables, and those hold secrets.
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=stream.isatty() and not os.environ.get("NO_COLOR"), exception_formatter=structlog.dev.plain_traceback
        )
    )
    seen: list[structlog.typing.Processor] = [] if as_json else [_shown]
    last: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, redact, *seen, renderer]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # They log one line per request with its URL, or every migration; their warnings are still heard.
    for name in ("aiohttp.access", "alembic", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
