"""The part of the inspection document that the manifest and the configuration say."""

import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from watcher.evaluation.document.clean_text import clean, clean_all, int64
from watcher.evaluation.document.types import message_class
from watcher.model.build_steps import instruction_of
from watcher.model.image import ImageConfig
from watcher.model.inventory import Inventory
from watcher.model.masking import Masking, masking_of
from watcher.model.moments import moment_of


def image_message(inventory: Inventory) -> Message:
    config = inventory.config
    masking = masking_of(config, inventory.secrets)
    env = dict(variable.partition("=")[::2] for variable in config.env)
    operating_system, _, rest = inventory.platform.partition("/")
    architecture, _, variant = rest.partition("/")
    image: Any = message_class("Image")(
        digest=inventory.digest,
        media_type=clean(inventory.media_type),
        platform=clean(inventory.platform),
        os=clean(config.os or operating_system),
        architecture=clean(config.architecture or architecture),
        variant=clean(config.variant or variant),
        size=int64(inventory.compressed_bytes),
        layer_count=len(inventory.layers),
        config=_config(inventory, masking),
        labels=_cleaned(masking.labelled(config.labels)),
        annotations=_cleaned({name: masking.value(text) for name, text in inventory.annotations.items()}),
        env=_cleaned(masking.variables(env)),
        history=[
            _step(step.created_by, empty=step.empty_layer, masking=masking, place=place)
            for place, step in enumerate(config.history)
        ],
        dockerfile_mode="history" if config.history else "none",
        layers=[
            message_class("Layer")(
                digest=layer.digest,
                size=int64(layer.compressed_bytes),
                created_by=clean(masking.step(layer.created_by)),
                state=layer.state,
            )
            for layer in inventory.layers
        ],
    )
    created = moment_of(config.created)
    if created is not None:
        image.created.FromDatetime(created)
    return image  # type: ignore[no-any-return]  # generated classes have no declared fields


def _config(inventory: Inventory, masking: Masking) -> Message:
    config = inventory.config
    made: Any = message_class("Config")(
        user=clean(config.user),
        effective_user=clean(_effective_user(inventory)),
        runs_as_root=inventory.effective_uid == 0,
        entrypoint=clean_all(masking.command(config.entrypoint)),
        cmd=clean_all(masking.command(config.cmd)),
        working_dir=clean(config.working_dir),
        exposed_ports=[_port(port) for port in config.exposed_ports],
        volumes=clean_all(config.volumes),
        healthcheck=clean(masking.value(_healthcheck(config))),
        stop_signal=clean(config.stop_signal),
        shell=clean_all(config.shell),
    )
    if inventory.effective_uid is not None:
        made.effective_uid = int64(inventory.effective_uid)
    return made  # type: ignore[no-any-return]


def _effective_user(inventory: Inventory) -> str:
    if inventory.effective_uid == 0:
        return "root"  # a rule that compares names must not be led astray by another one for it
    written = inventory.config.user.partition(":")[0]
    return next((user.name for user in inventory.users if user.uid == inventory.effective_uid), written)


def _healthcheck(config: ImageConfig) -> str:
    return "" if config.healthcheck[:1] in ((), ("NONE",)) else " ".join(config.healthcheck)


def _port(text: str) -> Message:
    number, _, protocol = text.partition("/")
    return message_class("Port")(
        number=int(number) if re.fullmatch(r"[0-9]{1,9}", number) else 0, protocol=clean(protocol or "tcp")
    )


def _step(created_by: str, *, empty: bool, masking: Masking, place: int) -> Message:
    operation, arguments = instruction_of(created_by)
    return message_class("Step")(op=operation, args=clean(masking.step(arguments, place)), empty_layer=empty)


def _cleaned(values: Mapping[str, str]) -> dict[str, str]:
    return {clean(name): clean(value) for name, value in values.items()}
