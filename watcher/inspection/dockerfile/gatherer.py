"""A Dockerfile that somebody gives beside an image, for those who judge it: a Gatherer for the section `dockerfile`.

It is what whoever asks says of the image, so it stands apart from what was found in it, and takes nothing away from that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from watcher.inspection.dockerfile.images import NamedImage, named_images
from watcher.inspection.dockerfile.parsing import ParsedDockerfile, parse_dockerfile
from watcher.inspection.image.config_secrets import config_secrets
from watcher.inspection.secrets.rules import SecretRules
from watcher.model.digest import digest_of
from watcher.model.errors import ConfigurationError, InvalidReferenceError, TooLargeError
from watcher.model.image import HistoryEntry, ImageConfig
from watcher.model.inventory import Inventory
from watcher.model.knowledge import Knowledge
from watcher.model.masking import Masking, masking_of
from watcher.model.reference import named_parts
from watcher.model.verdict import MAX_SKIPPED, Section, SectionState, Subject

SECTION = "dockerfile"


@dataclass(slots=True, kw_only=True)
class DockerfileGatherer:
    """Says of every image what the Dockerfile of this `content` says, built with these `build_args`.

    Raises:
        ConfigurationError: it is no Dockerfile, or has more text than is searched for secrets.
    """

    content: bytes
    build_args: Mapping[str, str] = field(default_factory=dict)
    name: str = SECTION
    sections: Sequence[str] = (SECTION,)
    _parsed: ParsedDockerfile = field(init=False)
    _masking: Masking = field(init=False)
    _instructions: Sequence[dict[str, Any]] = field(default=(), init=False)

    def __post_init__(self) -> None:
        self._parsed = parse_dockerfile(self.content)
        # What a builder makes of it: the history of an image.
        history = tuple(HistoryEntry(created_by=f"{each.op} {each.args}") for each in self._parsed.instructions)
        self._masking = _masking(ImageConfig(history=history))
        self._instructions = [
            {"op": each.op, "args": self._masking.step(each.args, place), "line": each.line, "stage": each.stage}
            for place, each in enumerate(self._parsed.instructions)
        ]

    async def gather(self, subject: Subject, inventory: Inventory) -> Knowledge:  # noqa: ARG002 - as a Gatherer is asked
        named = named_images(self._parsed, self.build_args, inventory.platform)
        section = Section()
        if named.unknown:
            section = Section(state=SectionState.PARTIAL, reason=named.unknown[0], skipped=named.unknown[:MAX_SKIPPED])
        images = [self._image(each) for each in named.images]
        document = {"dockerfile": {"instructions": self._instructions, "images": images}}
        revision = digest_of(msgspec.json.encode([self.content, sorted(self.build_args.items())]))
        return Knowledge(sections={SECTION: section}, document=msgspec.json.encode(document), data_revision=revision)

    def _image(self, named: NamedImage) -> dict[str, Any]:
        try:
            image = named_parts(named.reference)
        except InvalidReferenceError:
            image = {"ref": self._masking.plain(named.reference)}
        return {"image": image, "pinned": bool(image.get("digest")), "instruction": named.instruction, "line": named.line}


def _masking(config: ImageConfig) -> Masking:
    """Hides what looks like a credential. Its fingerprint is compared with nothing, and so needs no salt."""
    try:
        found = config_secrets(config, SecretRules.load(b""))
    except TooLargeError as error:
        raise ConfigurationError(str(error)) from error
    return masking_of(config, found.secrets, found.values)
