"""A child process for tests: what it is asked tells it what to do."""

import os
import sys
import time

from watcher.kit.serving import Answer, Refusal, serve

KEPT: list[bytes] = []


def begin(greeting: bytes) -> Answer:
    if greeting == b"refuse":
        raise Refusal("this greeting will not do")
    if greeting == b"die":
        sys.exit("dead before it began")

    def answer(question: bytes) -> bytes:
        command, _, argument = question.partition(b" ")
        if command == b"pid":
            return str(os.getpid()).encode()
        if command == b"exit":
            sys.stderr.write("last words\n")
            sys.stderr.flush()
            os._exit(int(argument))
        if command == b"raise":
            raise ValueError(argument.decode())
        if command == b"hang":
            time.sleep(60)
        if command == b"grow":
            KEPT.append(os.urandom(int(argument)))
        if command == b"print":
            sys.stdout.write("x" * int(argument) + "\n")
            sys.stdout.flush()
        if command == b"environment":
            return ",".join(sorted(os.environ)).encode()
        return greeting + b":" + question

    return answer


if __name__ == "__main__":
    serve(begin)
