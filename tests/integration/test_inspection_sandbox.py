"""The sandbox under attack: every right a worker must not have is tried for after it was given up."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from watcher.inspection.confined.sandbox import REQUIRED
from watcher.inspection.confined.seccomp import ARCHITECTURES, filter_program
from watcher.inspection.workers.messages import MECHANISMS

PROJECT = str(Path(__file__).parents[2])

PROGRAM = """
import ctypes, json, mmap, os, resource, signal, socket, sys, threading, time
import subprocess  # loaded before the filter, as everything a worker needs is
from watcher.inspection.confined import sandbox

secret = open("/etc/hostname", "rb")
parent = os.getpid()
BEFORE

def attacks(held):
    libc = ctypes.CDLL(None, use_errno=True)

    def done(result):
        if result < 0:
            raise OSError(ctypes.get_errno(), "refused")

    yield "open", lambda: open("/etc/hostname")
    yield "create", lambda: open("/tmp/watcher-attack", "w")
    yield "stat", lambda: os.stat("/")
    yield "list", lambda: os.listdir("/")
    yield "read an inherited file", lambda: os.read(secret.fileno(), 1)
    yield "dup", lambda: os.dup(0)
    yield "tcp", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    yield "udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    yield "unix", lambda: socket.socket(socket.AF_UNIX)
    yield "fork", os.fork
    yield "thread", lambda: threading.Thread(target=print).start()
    yield "exec", lambda: os.execv("/bin/true", ["true"])
    yield "exec with an environment", lambda: subprocess.run(["/bin/true"])
    yield "kill the parent", lambda: os.kill(parent, signal.SIGTERM)
    yield "kill everybody", lambda: os.kill(-1, signal.SIGTERM)
    yield "ptrace", lambda: done(libc.ptrace(0x4206, parent, 0, 0))
    yield "raise a limit", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    yield "become root", lambda: os.setuid(0)
    yield "unshare", lambda: done(libc.unshare(0x10000000))
    yield "a pipe", os.pipe
    yield "a file in memory", lambda: os.memfd_create("x")
    yield "executable memory", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    yield "300 MiB", lambda: len(bytearray(300 * 1024 * 1024))
    yield "a late import", lambda: __import__("this")
    yield "environment", lambda: os.environ["SECRET"]

def main(how):
    if os.fork() == 0:
        sandbox.keep_descriptors((0, 1, 2))
        held = sandbox.enter(sandbox.Budget(memory_bytes=200 * 1024 * 1024, cpu_seconds=1), parent=parent)
        AFTER
        if how == "spin":
            while True:
                pass
        if how == "sleep":
            time.sleep(60)
        results = {"held": held}
        for name, attack in attacks(held):
            try:
                attack()
                results[name] = "allowed"
            except (OSError, MemoryError, ImportError, KeyError, RuntimeError, ValueError) as error:
                results[name] = type(error).__name__
        os.write(1, json.dumps(results).encode())
        os._exit(0)
    if how == "leave":
        os._exit(0)
    _, status = os.wait()
    sys.exit(0 if os.waitstatus_to_exitcode(status) == 0 else 100 + -os.waitstatus_to_exitcode(status))

main(sys.argv[1])
"""


def attack(how: str = "", *, before: str = "", after: str = "pass") -> subprocess.CompletedProcess[bytes]:
    program = PROGRAM.replace("BEFORE", before).replace("AFTER", after)
    return subprocess.run(
        [sys.executable, "-c", program, how],
        capture_output=True,
        timeout=30,
        check=False,
        cwd="/",
        env={"PYTHONPATH": PROJECT, "SECRET": "of the daemon"},
    )


def survived(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr.decode()
    results: dict[str, Any] = json.loads(done.stdout)
    return results


# A user without rights; the second lock of a user namespace may or may not be there.
AS_USER = "os.setgroups([]); os.setresgid(1000, 1000, 1000); os.setresuid(1000, 1000, 1000)"
# As in a container whose own filter forbids namespaces and Landlock: only what is required is left.
WITHOUT_THE_REST = "sandbox._enter_namespaces = lambda: False; sandbox._restrict_files = lambda: False"
NOT_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.mark.parametrize(
    "before",
    ["", pytest.param(AS_USER, marks=NOT_ROOT), WITHOUT_THE_REST, pytest.param(f"{WITHOUT_THE_REST}; {AS_USER}", marks=NOT_ROOT)],
    ids=["here", "as-user", "in-container", "in-container-as-user"],
)
def test_nothing_is_allowed(before: str) -> None:
    """No file, network, process or signal, no memory beyond the budget: as root, as a user, and with the first lock alone."""
    results = survived(attack(before=before))
    held = results.pop("held")
    assert set(held) >= REQUIRED
    assert set(held) <= set(MECHANISMS)
    assert {name for name, outcome in results.items() if outcome == "allowed"} == set()
    assert results["300 MiB"] == "MemoryError"
    assert results["a late import"] != "allowed"


def test_processor_time_is_limited() -> None:
    """A worker that spins ends by SIGXCPU after its second."""
    assert attack("spin").returncode == 100 + signal.SIGXCPU


def test_it_ends_with_its_parent() -> None:
    """A worker whose zygote is gone does not stay behind: its output is closed at once."""
    assert attack("leave", after="how = 'sleep'").returncode == 0


@pytest.mark.parametrize(
    ("broken", "missing"),
    [
        ("sandbox._filter_calls = lambda *_: False", "seccomp"),
        ("sandbox.own_architecture = lambda: None", "no system call table"),
        ("parent = 1", "the parent is gone"),
    ],
)
def test_without_what_is_required_it_refuses(broken: str, missing: str) -> None:
    """It raises before it reads a byte, and says what is missing."""
    done = attack(before=broken)
    assert done.returncode != 0
    assert b"SandboxError" in done.stderr
    assert missing.encode() in done.stderr


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_the_filter_allows_its_list_and_nothing_else(architecture: Any) -> None:
    """Every call number through the program, as the kernel would run it."""
    program = filter_program(architecture)

    def run(call: int, *, audit: int = architecture.audit, third: int = 0) -> int:
        at = accumulator = 0
        while True:
            code = int.from_bytes(program[at * 8 : at * 8 + 2], "little")
            yes, no = program[at * 8 + 2], program[at * 8 + 3]
            value = int.from_bytes(program[at * 8 + 4 : at * 8 + 8], "little")
            if code == 0x06:
                return value
            if code == 0x20:
                accumulator = {0: call, 4: audit, 32: third}[value]
                at += 1
            else:
                holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
                at += 1 + (yes if holds else no)

    allow, refuse, kill = 0x7FFF0000, 0x00050001, 0x80000000
    listed = {*architecture.allowed, *architecture.mapping}
    assert {call for call in range(600) if run(call) == allow} == listed
    assert {run(call) for call in range(600) if call not in listed} == {refuse}
    assert {run(call, third=4) for call in architecture.mapping} == {refuse}
    assert {run(call, third=7) for call in architecture.allowed} == {allow}
    assert run(0, audit=0x40000003) == kill
    assert run(0x40000000) == kill
