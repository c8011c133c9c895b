"""The system calls of a worker that has everything it needs: read, write, memory, time and exit. No opening, no talking.

Numbers: Linux `arch/x86/entry/syscalls/syscall_64.tbl` and `include/uapi/asm-generic/unistd.h` (aarch64).
"""

import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass

_KILL_PROCESS, _ERRNO_EPERM, _ALLOW = 0x80000000, 0x00050001, 0x7FFF0000
# Bit 30 marks the x32 variant of a call on x86-64: the same numbers, read differently.
_X32_BIT = 0x40000000
_PROT_EXEC = 4

# Offsets into struct seccomp_data: the call's number, the architecture, the low half of the third argument.
_NR, _ARCH, _THIRD = 0, 4, 32
# Classic BPF: load word, jump if equal / greater or equal / any bit set, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """`audit` is AUDIT_ARCH_*, `seccomp` the number of seccomp(2). `mapping` may not ask for executable memory."""

    audit: int
    seccomp: int
    mapping: tuple[int, ...]
    allowed: tuple[int, ...]


_X86_64 = Architecture(
    audit=0xC000003E,
    seccomp=317,
    mapping=(9, 10),  # mmap mprotect
    # read write close fstat poll lseek munmap brk rt_sigaction rt_sigprocmask rt_sigreturn readv writev sched_yield mremap madvise
    # getpid exit gettimeofday getrusage sigaltstack gettid futex restart_syscall clock_gettime clock_nanosleep exit_group
    # set_robust_list getrandom rseq
    allowed=(
        *(0, 1, 3, 5, 7, 8, 11, 12, 13, 14, 15, 19, 20, 24, 25, 28, 39, 60, 96, 98, 131, 186, 202, 219, 228, 230, 231, 273),
        *(318, 334),
    ),
)
_AARCH64 = Architecture(
    audit=0xC00000B7,
    seccomp=277,
    mapping=(222, 226),
    # The same calls; ppoll stands for poll, which the generic table does not have.
    allowed=(
        *(63, 64, 57, 80, 73, 62, 215, 214, 134, 135, 139, 65, 66, 124, 216, 233, 172, 93, 169, 165, 132, 178, 98, 128, 113, 115),
        *(94, 99, 278, 293),
    ),
)
ARCHITECTURES: Mapping[str, Architecture] = {"x86_64": _X86_64, "aarch64": _AARCH64}


def own_architecture() -> Architecture | None:
    """None where the table is not known; there a worker refuses to run."""
    return ARCHITECTURES.get(platform.machine())


def filter_program(architecture: Architecture) -> bytes:
    """The allow-list as an array of `struct sock_filter`.

    Anything else gets EPERM, so that a forgotten lazy import is an exception one can read; the calls of another architecture
    kill the process, since their numbers mean something else.
    """
    calls = (*architecture.mapping, *architecture.allowed)
    # 1. Another architecture, or x32: killed.
    program = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, architecture.audit),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NR),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL_PROCESS),
    ]
    # 2. A call of the list jumps to the end: `mapping` to 3, the others to ALLOW, four instructions further on.
    for index, call in enumerate(calls):
        remaining = len(calls) - index - 1
        target = 1 if index < len(architecture.mapping) else 4
        program.append((_EQUAL, remaining + target, 0, call))
    program += [
        (_RETURN, 0, 0, _ERRNO_EPERM),
        # 3. Memory: executable is refused.
        (_LOAD, 0, 0, _THIRD),
        (_ANY_BIT, 0, 1, _PROT_EXEC),
        (_RETURN, 0, 0, _ERRNO_EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
