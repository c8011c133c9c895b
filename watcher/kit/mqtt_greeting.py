"""Whether a broker takes us, and what it would send us: said hello to, asked, and left again."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from watcher.kit.mqtt_client import Broker, Complaint, client_of, hang_up
from watcher.kit.mqtt_trouble import sentence
from watcher.model.errors import RetryableError

# The first reason code that is a failure. Spec: MQTT 5.0 section 2.4.
FAILURE = 0x80


class NotGreetedError(RetryableError):
    """No connection came about, or the broker does not want us."""

    reason = "broker-unavailable"


async def greet(broker: Broker, topics: Sequence[str] = ()) -> Mapping[str, str]:
    """CONNECT without a session that is kept, ask for `topics`, and go. Returns those that are refused, each with its reason.

    Whoever uses the `client_id` meanwhile is thrown out by the broker: it has to be one of this call's own. Messages of other
    sessions stay theirs, but for those of shared subscriptions.

    Raises:
        NotGreetedError
    """
    import aiomqtt

    complaint = Complaint()
    client, paho = client_of(broker, complaint, **({"clean_start": True} if broker.is_v5 else {"clean_session": True}))
    where = f"{broker.host}:{broker.port}"
    try:
        async with asyncio.timeout(broker.timeout_seconds), client:
            granted = await client.subscribe(_options(broker, topics)) if topics else ()
    except aiomqtt.MqttCodeError as error:
        raise NotGreetedError(f"{where} refuses us: {error.rc}") from error
    except (aiomqtt.MqttError, TimeoutError) as error:
        text = sentence(error, where=where, complaint=complaint.text, timeout_seconds=broker.timeout_seconds)
        raise NotGreetedError(text) from error
    finally:
        # A connect that was given up still runs in its thread.
        paho.on_socket_open = hang_up
        paho.on_disconnect = None
        if (opened := paho.socket()) is not None:
            hang_up(paho, None, opened)
    codes = [(code, code) if isinstance(code, int) else (code.value, code) for code in granted]
    return {topic: str(name) for topic, (code, name) in zip(topics, codes, strict=False) if code >= FAILURE}


def _options(broker: Broker, topics: Sequence[str]) -> Any:
    """Nothing that is retained need be sent, where the protocol can say so."""
    from paho.mqtt.subscribeoptions import SubscribeOptions

    options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
    return [(topic, options if broker.is_v5 else 1) for topic in topics]
