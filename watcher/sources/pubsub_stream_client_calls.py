"""The two calls by which a message is settled or kept, bounded in time and told in full.

The SDK retries what failed for ten minutes, on threads that nothing can end. Here it is retried for as long as somebody waits, and
then given up: the message comes again.

Spec: https://cloud.google.com/pubsub/docs/exactly-once-delivery: what the ids of one call failed for stands in its ErrorInfo.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.1, 1.0
# Shorter than any caller waits for the whole, so that an answer that got lost is asked for again.
LEAST_CALL_SECONDS = 0.5
TRANSIENT = "TRANSIENT_"
_PASSING = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL"})


class Settler:
    """One call of the SDK's, in the place of which it is put."""

    def __init__(self, call: Callable[..., Any], *, closing: threading.Event, limit_seconds: float) -> None:
        self._call = call
        self._closing = closing
        self._limit_seconds = limit_seconds

    def failures(self, ack_ids: Sequence[str], **request: Any) -> Mapping[str, str]:
        """Do it, and return what it failed for by id; what is not in there succeeded."""
        from google.api_core.exceptions import GoogleAPICallError

        left, failed, delay_seconds = list(ack_ids), dict[str, str](), FIRST_RETRY_SECONDS
        ends = time.monotonic() + self._limit_seconds
        while True:
            try:
                self._call(ack_ids=left, retry=None, timeout=max(LEAST_CALL_SECONDS, ends - time.monotonic()), **request)
                return failed
            except ValueError:  # the channel was closed
                return {**failed, **dict.fromkeys(left, "CLOSED")}
            except GoogleAPICallError as error:
                metadata, code = _details(error)
            said = {ack_id: metadata.get(ack_id, code) for ack_id in left}
            left = [ack_id for ack_id, why in said.items() if why.startswith(TRANSIENT) or why in _PASSING]
            failed |= {ack_id: why for ack_id, why in said.items() if ack_id not in left}
            if not left or time.monotonic() + delay_seconds >= ends or self._closing.wait(delay_seconds):
                return {**failed, **{ack_id: said[ack_id] for ack_id in left}}
            delay_seconds = min(2 * delay_seconds, LONGEST_RETRY_SECONDS)


def refusal(failed: Mapping[str, str]) -> Exception:
    """As the service says it, for the SDK to read."""
    import grpc
    from google.api_core import exceptions
    from google.protobuf.any_pb2 import Any as Packed
    from google.rpc.error_details_pb2 import ErrorInfo
    from google.rpc.status_pb2 import Status

    untyped: Any = exceptions
    code = grpc.StatusCode.FAILED_PRECONDITION
    packed = Packed()
    packed.Pack(ErrorInfo(metadata=failed))
    status = Status(code=code.value[0], message=code.name, details=[packed])

    class Answer:
        def trailing_metadata(self) -> Sequence[tuple[str, bytes]]:
            return (("grpc-status-details-bin", status.SerializeToString()),)

        def code(self) -> Any:
            return code

        def details(self) -> str:
            return str(code.name)

    refused: Exception = untyped.FailedPrecondition(code.name, response=Answer())
    return refused


def _details(error: Any) -> tuple[Mapping[str, str], str]:
    """What is said of single ids, and of all others."""
    from google.rpc.error_details_pb2 import ErrorInfo
    from grpc_status import rpc_status

    code = error.grpc_status_code.name if error.grpc_status_code is not None else type(error).__name__
    try:
        status = None if error.response is None else rpc_status.from_call(error.response)
    except ValueError:  # its parts contradict each other
        status = None
    info, metadata = ErrorInfo(), dict[str, str]()
    for detail in () if status is None else status.details:
        if detail.Unpack(info):
            metadata |= dict(info.metadata)
    return metadata, code
