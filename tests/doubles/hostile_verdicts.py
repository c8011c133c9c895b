"""Verdicts as people are told of them: a usual one with many findings, and one whose image was made to mislead its readers."""

from dataclasses import replace

from tests.doubles.verdicts import FINDING, SUBJECT, a_verdict
from watcher.model.reference import RepositoryName, Tag
from watcher.model.verdict import Action, Category, Finding, Origin, Outcome, Section, SectionState, Verdict
from watcher.publishing.message import Item, Level, Link, Listing, Message, Paragraph, foreign, name, ours, strong

# What a name, a path or a label can hold that some channel would make something of.
TRAPS = (
    "<!channel> <!here> <@U024BE7LH> <#C024BE7LR|x> <https://evil.example/|click>",
    "@here @everyone @channel @all <@123456789> <@&1> <at>everyone</at>",
    "https://evil.example/login http://evil.example www.evil.example mailto:a@evil.example",
    "[click](https://evil.example) ![x](https://evil.example/x.png) <img src=x onerror=alert(1)> <b>bold</b>",
    "*bold* _italic_ ~struck~ **strong** __init__ `code` ```fence``` ||spoiler|| > quote # heading",
    "line one\nfail: other/image\r\nSubject: injected\tand a tab",
    "\x1b[2J\x1b[1;31mred\x07 \u202egnp.exe\u202c zero\u200bwidth \u2066isolated\u2069 \ufeff",
    "&lt;script&gt; &amp; &#64;here \\*escaped\\* \\r \\n \\u202e",
    "e\u0301 \u4e2d\u6587 \U0001f600 z" + "\u0335" * 30,
    "x" * 5000,
)


# All of them in one message, in every place that a message has for what others wrote.
A_HOSTILE_MESSAGE = Message(
    title=(ours("fail: "), name(TRAPS[0]), ours(" ("), foreign(TRAPS[1]), ours(")")),
    level=Level.BAD,
    blocks=(
        Paragraph(lines=((strong("many"), ours(" images")),)),
        Listing(
            items=tuple(Item(line=(foreign(trap),), details=((name(trap),),)) for trap in TRAPS),
            omitted=3,
            noun="traps",
        ),
    ),
    links=(Link(label="all of them", url="https://watcher.example.com/api/v1/images?name=(a_b)|<c>*d*"),),
)


def a_verdict_with_findings() -> Verdict:
    return a_verdict(
        findings=(
            FINDING,
            replace(FINDING, key="another"),
            Finding(
                rule="vulnerabilities/fixable",
                action=Action.FAIL,
                key="CVE-2020-14343@PyYAML",
                message="CVE-2020-14343 (CRITICAL) in PyYAML 5.3.1, fixed in 5.4",
                remediation="Upgrade the package, or rebuild on a base image that has the fix.",
            ),
            Finding(
                rule="baseline/root",
                action=Action.WARN,
                key="root",
                category=Category.BEST_PRACTICE,
                message="runs as root",
                remediation="Add a USER.",
            ),
            replace(FINDING, rule="baseline/quiet", action=Action.NOTE, key="noted"),
            replace(FINDING, rule="baseline/excepted", key="excepted", excepted_by="PROJ-1"),
        )
    )


def a_hostile_verdict() -> Verdict:
    """Not all of it can be pushed to a registry that keeps to the grammar; what arrives here need not have."""
    return a_verdict(
        outcome=Outcome.UNKNOWN,
        subject=replace(SUBJECT, repository=RepositoryName("team/<!here>`@all`"), environment="prod\n<@U024BE7LH>"),
        tag=Tag("v1*bold*"),
        platform="linux/*&<b>amd64",
        findings=tuple(
            Finding(rule=f"traps/{place}`<!here>`", action=Action.FAIL, key="k", message=trap, remediation=trap)
            for place, trap in enumerate(TRAPS)
        ),
        sections={"packages": Section(state=SectionState.PARTIAL, reason="<!channel> [x](https://evil.example)")},
        origin=replace(_origin(), actor="mallory@here <https://evil.example|admin>"),
    )


def _origin() -> Origin:
    origin = a_verdict().origin
    assert origin is not None
    return origin
