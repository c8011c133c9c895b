"""The programs that docker asks for credentials: `docker-credential-NAME get`, the host on stdin, JSON on stdout.

Blocking; runs in a thread. The program has the daemon's environment, which is where most of them look for theirs, and no shell.
"""

import contextlib
import os
import re
import select
import signal
import subprocess
import time

import msgspec

from watcher.kit.secret import Secret
from watcher.model.errors import AuthenticationError, ConfigurationError
from watcher.model.first_use import known
from watcher.model.reference import DOCKER_HUB, Host
from watcher.registry.credentials import Credentials

PROGRAM_SECONDS = 10.0
# An identity token of the largest kind is about 4 KiB.
MAX_OUTPUT_BYTES = 64 * 1024
# docker's key for Docker Hub, in its file and in every keychain.
DOCKER_HUB_KEY = "https://index.docker.io/v1/"

_PROGRAM = re.compile(r"docker-credential-[a-z0-9-]+")
# The user name that says that the secret is an identity token.
_TOKEN_USER = "<token>"  # noqa: S105  a marker, not a secret


class _Answer(msgspec.Struct, frozen=True):
    """What a program prints; other keys are of no interest."""

    username: str = msgspec.field(name="Username", default="")
    secret: str = msgspec.field(name="Secret", default="")


def ask_helper(program: str, registry: Host, *, timeout_seconds: float = PROGRAM_SECONDS) -> Credentials | None:
    """What the program keeps for this registry; None when it keeps nothing.

    Raises:
        ConfigurationError: there is no such program, or its name is none.
        AuthenticationError: it failed, did not end in time, or printed something else.
    """
    if _PROGRAM.fullmatch(program) is None:
        raise ConfigurationError(f"{program[:80]!r}: not the name of a credential helper (docker-credential- and a-z, 0-9, -)")
    code, output = _run(program, (DOCKER_HUB_KEY if registry == DOCKER_HUB else registry).encode(), timeout_seconds)
    if code:
        # The protocol has it on stdout: "credentials not found in native keychain".
        if b"credentials not found" in output.lower():
            return None
        raise AuthenticationError(f"{program}: ended with {code} when asked for {registry}")
    try:
        answer = msgspec.json.decode(output, type=known(_Answer))
    # The cause is left out: its text could quote the output.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise AuthenticationError(f"{program}: what it printed for {registry} is not the JSON of a credential helper") from None
    if not answer.secret:
        return None
    if answer.username == _TOKEN_USER:
        return Credentials(username=_TOKEN_USER, identity_token=Secret(answer.secret))
    return Credentials(username=answer.username, password=Secret(answer.secret))


def _run(program: str, question: bytes, timeout_seconds: float) -> tuple[int, bytes]:
    """Its exit status and what it printed. It is ended, with everything it started, when it takes too long or says too much."""
    try:
        process = subprocess.Popen(
            [program, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # may quote what it found
            start_new_session=True,
        )
    except OSError as error:
        raise ConfigurationError(f"{program}: cannot be run: {error.strerror}") from error
    assert process.stdin is not None
    assert process.stdout is not None
    deadline = time.monotonic() + timeout_seconds
    try:
        # Shorter than any pipe, so this never blocks; a program that does not read its question is judged by its answer.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(question)
            process.stdin.close()
        output = _read(process.stdout.fileno(), deadline, program)
        return process.wait(max(deadline - time.monotonic(), 0.1)), output
    except subprocess.TimeoutExpired as error:
        raise AuthenticationError(f"{program}: did not end within {timeout_seconds:g} s") from error
    finally:
        # Not yet waited for, so the number is still its own.
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _read(descriptor: int, deadline: float, program: str) -> bytes:
    """Everything until its end. Raises AuthenticationError when that is too late or too much."""
    output = bytearray()
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    while poller.poll(max(deadline - time.monotonic(), 0) * 1000):
        piece = os.read(descriptor, MAX_OUTPUT_BYTES)
        if not piece:
            return bytes(output)
        output += piece
        if len(output) > MAX_OUTPUT_BYTES:
            raise AuthenticationError(f"{program}: printed more than {MAX_OUTPUT_BYTES} bytes")
    raise AuthenticationError(f"{program}: no answer in time")
