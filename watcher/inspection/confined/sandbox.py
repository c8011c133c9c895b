"""Gives up every right of this process, for good. Called in a child of one thread that has everything it needs open.

What has to hold: rlimits, no_new_privs and seccomp. Namespaces, another user and Landlock are a second lock where the kernel
and whatever we run in allow them. Constants: Linux uapi prctl.h, sched.h, landlock.h, seccomp.h.
"""

import contextlib
import ctypes
import os
import resource
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from watcher.inspection.confined.seccomp import filter_program, own_architecture
from watcher.inspection.workers.messages import LANDLOCK, NAMESPACES, NO_NEW_PRIVS, RLIMITS, SECCOMP, USER
from watcher.kit.parent_death import die_with_parent

REQUIRED = frozenset({RLIMITS, NO_NEW_PRIVS, SECCOMP})

_CLOSE_RANGE, _LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 436, 444, 446  # the same numbers on every architecture
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWNET = 0x4000000, 0x8000000, 0x10000000, 0x40000000
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1
_LANDLOCK_CREATE_RULESET_VERSION = 1

# The user and group that own nothing, on every distribution: nobody.
NOBODY = 65534


class SandboxError(Exception):
    """Something of REQUIRED cannot be had here; the process must not read a byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """`memory_bytes` come on top of what the process has mapped already; `cpu_seconds` are counted from its start."""

    memory_bytes: int
    cpu_seconds: int


class _SockFprog(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


# Loaded with the module: afterwards nothing can be opened.
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long


def keep_descriptors(standard: Sequence[int]) -> None:
    """Make `standard` the descriptors 0, 1, … and close all others.

    Raises:
        SandboxError: the kernel has no close_range(2), or refuses it.
    """
    # Duplicated above first, so that none is overwritten before it is read.
    for target, descriptor in enumerate([os.dup(each) for each in standard]):
        os.dup2(descriptor, target, inheritable=False)
    if _syscall(_CLOSE_RANGE, len(standard), 0xFFFFFFFF, 0) != 0:
        raise SandboxError(f"close_range: {_last_error()}")


def enter(budget: Budget, *, parent: int) -> tuple[str, ...]:
    """Confine this process, and say which of MECHANISMS hold. Descriptors that are open stay usable. It ends with `parent`.

    The order matters, each step needs what a later one takes away:
    1 namespaces, while single-threaded  2 rlimits  3 user  4 no_new_privs, not dumpable, death with the parent (a change of user
    resets those)  5 Landlock, which needs one descriptor  6 no descriptors any more  7 seccomp.

    Raises:
        SandboxError: something of REQUIRED does not hold.
    """
    held: list[str] = []
    architecture = own_architecture()
    if architecture is None:
        raise SandboxError(f"no system call table for {os.uname().machine}")
    program = filter_program(architecture)
    os.environ.clear()
    if _enter_namespaces():  # 1
        held.append(NAMESPACES)
    _limit(budget)  # 2
    held.append(RLIMITS)
    if _become_nobody():  # 3
        held.append(USER)
    if _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:  # 4
        held.append(NO_NEW_PRIVS)
    _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    die_with_parent()
    if os.getppid() != parent:
        raise SandboxError("the parent is gone")
    if _restrict_files():  # 5
        held.append(LANDLOCK)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # 6
    if _filter_calls(architecture.seccomp, program):  # 7
        held.append(SECCOMP)
    missing = REQUIRED.difference(held)
    if missing:
        raise SandboxError(f"not available here: {', '.join(sorted(missing))}")
    return tuple(held)


def _enter_namespaces() -> bool:
    """No network, no System V IPC, no shared host name. Without privileges it takes a user namespace, which hosts may forbid."""
    flags = _CLONE_NEWNET | _CLONE_NEWIPC | _CLONE_NEWUTS
    if os.geteuid() != 0:
        flags |= _CLONE_NEWUSER
    return bool(_LIBC.unshare(flags) == 0)


def _limit(budget: Budget) -> None:
    with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123  pathlib is not loaded in a worker
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_AS: mapped + budget.memory_bytes,
        resource.RLIMIT_CPU: budget.cpu_seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_NPROC: 0,
    }
    try:
        for name, limit in limits.items():
            hard = resource.getrlimit(name)[1]
            low = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            # At the soft limit of processor time comes SIGXCPU, which says why; at the hard one SIGKILL, which says nothing.
            high = low + 1 if name == resource.RLIMIT_CPU and (hard == resource.RLIM_INFINITY or hard > low) else low
            resource.setrlimit(name, (low, high))
    except (OSError, ValueError) as error:
        raise SandboxError(f"rlimits: {error}") from error


def _become_nobody() -> bool:
    """Only root can; any other user has no more rights than it needs anyway."""
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        return False
    return True


def _restrict_files() -> bool:
    """Landlock with every right handled and no rule: nothing below any path, no TCP, no signals or sockets to the outside."""
    version = _syscall(_LANDLOCK_CREATE, None, 0, _LANDLOCK_CREATE_RULESET_VERSION)
    if version < 1:
        return False
    files = (1 << (13 if version == 1 else 14 if version == 2 else 15 if version < 5 else 16)) - 1
    attributes = struct.pack("=QQQ", files, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _syscall(_LANDLOCK_CREATE, attributes, size, 0)
    if ruleset < 0:
        return False
    restricted = _syscall(_LANDLOCK_RESTRICT, ruleset, 0)
    with contextlib.suppress(OSError):
        os.close(ruleset)
    return restricted == 0


def _filter_calls(seccomp: int, program: bytes) -> bool:
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = _SockFprog(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    return _syscall(seccomp, _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC, ctypes.byref(fprog)) == 0


def _syscall(number: int, *arguments: object) -> int:
    return int(_LIBC.syscall(ctypes.c_long(number), *(_word(argument) for argument in arguments)))


def _word(argument: object) -> object:
    # A plain int would be passed as 32 bits, and leave the upper half of the register undefined.
    return ctypes.c_ulong(argument) if isinstance(argument, int) else argument


def _last_error() -> str:
    return os.strerror(ctypes.get_errno())
