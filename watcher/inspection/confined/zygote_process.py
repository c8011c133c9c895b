"""The process that workers are forked from: everything imported, the rules compiled, nothing secret in it, no layer ever.

It is exec'd with an empty environment, so that no worker inherits a credential, and speaks over one socket that is its stdin:
requests come in with the descriptors of the worker they ask for, the end of each worker goes out. It ends with that socket.
"""

import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
from dataclasses import dataclass, field

import msgspec

from watcher.inspection.confined.layer_reader import Search
from watcher.inspection.confined.worker import work
from watcher.inspection.workers.messages import CRASHED, Began, Ended, ForkRequest, Greeting, Ready, ZygoteAnswer, ZygoteRequest
from watcher.kit.parent_death import die_with_parent

MAX_REQUEST_BYTES = 4096
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h

_ENCODER = msgspec.msgpack.Encoder()
_REQUESTS = msgspec.msgpack.Decoder(ZygoteRequest)


@dataclass(slots=True, kw_only=True)
class _Forker:
    channel: socket.socket
    search: Search
    # pidfd → (pid, the daemon's number of the worker)
    children: dict[int, tuple[int, int]] = field(default_factory=dict)

    def run(self) -> None:
        """Serve until the other end is closed; the workers die with this process."""
        poller = select.poll()
        poller.register(self.channel, select.POLLIN)
        while True:
            for ready, _ in poller.poll():
                if ready != self.channel.fileno():
                    poller.unregister(ready)
                    self._reap(ready)
                    continue
                content, descriptors, _, _ = socket.recv_fds(self.channel, MAX_REQUEST_BYTES, 2)
                if not content:
                    return
                request = _REQUESTS.decode(content)
                if isinstance(request, ForkRequest):
                    poller.register(self._fork(request, (descriptors[0], descriptors[1])), select.POLLIN)
                else:
                    for pid, worker in self.children.values():
                        if worker == request.worker:
                            os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own

    def answer(self, answer: ZygoteAnswer) -> None:
        self.channel.send(_ENCODER.encode(answer))

    def _fork(self, request: ForkRequest, descriptors: tuple[int, int]) -> int:
        zygote = os.getpid()
        pid = os.fork()
        if pid == 0:
            code = CRASHED
            try:
                code = work(request, descriptors, self.search, zygote=zygote)
            finally:
                os._exit(code)
        for descriptor in descriptors:
            os.close(descriptor)
        pidfd = os.pidfd_open(pid)
        self.children[pidfd] = (pid, request.worker)
        self.answer(Began(worker=request.worker, pid=pid))
        return pidfd

    def _reap(self, pidfd: int) -> None:
        pid, worker = self.children.pop(pidfd)
        os.close(pidfd)
        _, status, usage = os.wait4(pid, 0)
        self.answer(
            Ended(
                worker=worker,
                code=os.waitstatus_to_exitcode(status),
                peak_bytes=usage.ru_maxrss * 1024,
                cpu_seconds=usage.ru_utime + usage.ru_stime,
            )
        )


def _keep_freed_memory() -> None:
    """Have malloc reuse what is freed: pieces of half a MiB, mapped and unmapped each, cost a tenth of a layer in page faults."""
    with contextlib.suppress(AttributeError):  # musl has no mallopt, and maps nothing below 128 KiB
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 32 * 1024 * 1024)
        libc.mallopt(_M_TRIM_THRESHOLD, 64 * 1024 * 1024)


def main() -> None:
    die_with_parent()
    # Ctrl-C and systemd reach every process of ours; the daemon ends this one itself, once it has drained.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    channel = socket.socket(fileno=os.dup(0))
    # What is printed by mistake must not reach the channel; a worker gets descriptors of its own anyway.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _keep_freed_memory()
    greeting = msgspec.msgpack.decode(channel.recv(MAX_REQUEST_BYTES), type=Greeting)
    search = Search.load(greeting.salt)
    # A collection in a worker would write to every page that it shares with the others.
    gc.collect()
    gc.freeze()
    forker = _Forker(channel=channel, search=search)
    forker.answer(Ready())
    forker.run()
    # No clean-up of modules and threads: there is nothing to flush, and it takes 20 ms.
    os._exit(0)
