"""News of hundreds of images at a time, in as much memory as a message about them needs. Pure."""

from dataclasses import dataclass, field, replace

from watcher.model.verdict import Finding
from watcher.publishing.protocol import News

# What people are told of many images is what most of them have; an image with more of its own has it in its verdict.
MOST_FINDINGS = 200


@dataclass(slots=True)
class Essences:
    """What images have in common is kept once."""

    _seen: dict[Finding, Finding] = field(default_factory=dict)

    def of(self, news: News) -> News:
        """With the findings that make the outcome what it is: those that are new, all where none is."""
        kept = tuple(self._seen.setdefault(each, each) for each in news.verdict.decisive(news.told)[:MOST_FINDINGS])
        before = replace(news.told, findings=(), sections={}) if news.told is not None else None
        return News(verdict=replace(news.verdict, findings=kept, sections={}), told=before)
