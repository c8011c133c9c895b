"""What is known about an image beyond its bytes: advisories, attestations, how it differs from an earlier one."""

from dataclasses import dataclass, field

from watcher.model.verdict import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What one gatherer brings of one image.

    `sections` say how far each of its sections can be relied on. `document` is a JSON object: the variables and collections of
    the inspection document (docs/reference/policy.md) that rest on them, in the form that a policy test's `input` has.
    `data_revision` names the data that were looked in, and changes only with them; empty where there are none to name.
    """

    sections: dict[str, Section] = field(default_factory=dict)
    document: bytes = b"{}"
    data_revision: str = ""
