"""The commented configuration is one that works, and shows every setting there is."""

import itertools
import re
from pathlib import Path

import msgspec

from watcher import settings
from watcher.api.settings import AdmissionSettings, ServerSettings
from watcher.evaluation.policies.loading import load_policies
from watcher.evaluation.rules.policy_set import PolicySet
from watcher.evaluation.settings import PolicySettings
from watcher.inspection.settings import InspectionSettings

CONFIG = Path(__file__).resolve().parents[2] / "config"


def test_the_example_is_valid() -> None:
    """As it stands, without one secret being set."""
    loaded = settings.load(CONFIG / "watcher.yaml")
    assert loaded.policies.path is not None
    sources = load_policies(paths=[CONFIG / loaded.policies.path])
    PolicySet.compile(sources.documents.policies, revision=sources.revision, on_no_match=sources.on_no_match)


def test_every_part_of_the_file_is_shown() -> None:
    """A setting that is not in the example is one that nobody finds."""
    text = (CONFIG / "watcher.yaml").read_text()
    for part in msgspec.structs.fields(settings.Settings):
        assert re.search(rf"^{part.encode_name}:", text, re.MULTILINE), part.name
    for block in (ServerSettings, InspectionSettings, PolicySettings, AdmissionSettings):
        for field in msgspec.structs.fields(block):
            assert re.search(rf"^ *(# )?{field.encode_name}:", text, re.MULTILINE), f"{block.__name__}.{field.name}"


def test_every_line_is_explained() -> None:
    """Each setting has a comment of its own or of the line above it."""
    lines = (CONFIG / "watcher.yaml").read_text().splitlines()
    bare = [line for above, line in itertools.pairwise(lines) if re.match(r"^[a-z_]+:", line) and not above.startswith("#")]
    assert bare == []
