"""Judging: the worst action wins, and what could not be looked at is never a pass and never a fail."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.unit.evaluation.conftest import BASE_LAYER, TOP_LAYER, Cases, Policies, brief, gap
from watcher.evaluation.rules.run import MAX_FINDINGS
from watcher.model.image import HistoryEntry, ImageConfig
from watcher.model.inventory import Base, FileTable, Package, PackageRecord, Secret, SecretHit, User
from watcher.model.verdict import SECTIONS, Action, Category, Evidence, Outcome, Section, SectionState


def package(name: str, *, layer: int = 1, purl: str | None = None) -> Package:
    record = PackageRecord(type="deb", name=name, version="1", purl=f"pkg:deb/debian/{name}@1" if purl is None else purl)
    return Package(record=record, path="var/lib/dpkg/status", layer=layer)


def secret(rule: str, *, path: str = "app/.env", where: str = "file", line: int | None = 3, layer: int | None = 1) -> Secret:
    hit = SecretHit(rule=rule, title="A key", path=path, line=line, fingerprint="f", preview="AKIA")
    return Secret(hit=hit, where=where, layer=layer, layer_digest=TOP_LAYER if layer is not None else None)


@pytest.mark.parametrize(
    ("actions", "outcome"),
    [
        ((), Outcome.PASS),
        (("note",), Outcome.PASS),
        (("warn", "note"), Outcome.WARN),
        (("warn", "fail", "note"), Outcome.FAIL),
    ],
)
def test_the_worst_action_wins(make_policies: Policies, make_case: Cases, actions: tuple[str, ...], outcome: Outcome) -> None:
    """A note never changes the outcome."""
    rules = [f"- {{id: r{number}, action: {action}, when: 'true'}}" for number, action in enumerate(actions)]
    judgement = make_policies("\n".join([*rules, "- {id: never, when: 'false'}"])).evaluate(make_case())
    assert judgement.outcome is outcome
    assert [finding.action.value for finding in judgement.findings] == list(actions)


def test_unknown_is_between_warn_and_fail(make_policies: Policies, make_case: Cases) -> None:
    """What could not be decided is worse than a warning and better than a failure."""
    undecided = "- {id: u, each: vulnerabilities as v, when: 'true'}\n- {id: w, action: warn, when: 'true'}"
    assert make_policies(undecided).evaluate(make_case()).outcome is Outcome.UNKNOWN
    assert make_policies(undecided + "\n- {id: f, when: 'true'}").evaluate(make_case()).outcome is Outcome.FAIL


def test_a_finding_carries_what_its_rule_says(make_policies: Policies, make_case: Cases) -> None:
    """Title, category and remediation are the rule's; the message is its template filled in, else its title."""
    policies = make_policies(
        "- {id: r, title: No root, category: compliance, when: 'true', remediation: do it, "
        "message: 'a {{event.tag}} {{1 + 1}} {{event.tags}} {{1.5}} {{true}} {{now}} {{duration(\"90s\")}}'}\n"
        "- {id: s, title: Only a title, when: 'true'}\n- {id: t, when: 'true'}"
    )
    first, second, third = policies.evaluate(make_case(tags=("v1", "v2"))).findings
    assert (first.title, first.category, first.remediation) == ("No root", Category.COMPLIANCE, "do it")
    assert first.message == "a v1 2 v1, v2 1.5 true 2026-01-01T00:00:00Z 90s"
    assert (second.message, third.message) == ("Only a title", "t")


def test_an_item_rule_finds_each_item_with_its_key_and_place(make_policies: Policies, make_case: Cases) -> None:
    """The default keys name the item; evidence is the layer that brought it, with its build step."""
    policies = make_policies(
        "- {id: pkg, each: packages as p, when: 'p.name != \"c\"'}\n"
        "- {id: sec, each: secrets as s, when: 'true'}\n"
        "- {id: usr, each: users as u, when: 'u.uid == 0'}\n"
        "- {id: own, each: packages as p, when: 'p.name == \"a\"', key: 'p.name + event.tag'}"
    )
    case = make_case(
        packages=(package("b"), package("a", layer=0), package("c"), package("z", purl="")),
        secrets=(secret("aws-key"), secret("token", path="TOKEN", where="env", line=None, layer=None)),
        users=(User(name="root", uid=0, gid=0, home="/root", shell="/bin/sh"),),
    )
    judgement = policies.evaluate(case)
    assert brief(judgement.findings) == [
        ("p/pkg", "fail", "deb/z@1"),
        ("p/pkg", "fail", "pkg:deb/debian/a@1"),
        ("p/pkg", "fail", "pkg:deb/debian/b@1"),
        ("p/sec", "fail", "aws-key@/app/.env"),
        ("p/sec", "fail", "token@TOKEN"),
        ("p/usr", "fail", "root"),
        ("p/own", "fail", "av1"),
    ]
    status = "/var/lib/dpkg/status"
    base_step = "/bin/sh -c #(nop) ADD file:1 in / "
    evidence = [finding.evidence for finding in judgement.findings]
    assert evidence[1] == Evidence(layer=BASE_LAYER, layer_index=0, created_by=base_step, path=status)
    assert evidence[3] == Evidence(layer=TOP_LAYER, layer_index=1, created_by="COPY . / # buildkit", path="/app/.env", line=3)
    assert evidence[4] == Evidence()
    assert evidence[5] is None


def test_the_same_case_gives_the_same_judgement(make_policies: Policies, make_case: Cases) -> None:
    """Neither the order of items nor an earlier evaluation changes it; equal findings are one."""
    policies = make_policies("- {id: r, each: packages as p, when: 'true'}")
    forward = policies.evaluate(make_case(packages=(package("a"), package("b"), package("a"))))
    backward = policies.evaluate(make_case(packages=(package("b"), package("a"))))
    assert forward == backward


def test_unless_cancels(make_policies: Policies, make_case: Cases) -> None:
    """`unless` that holds takes the finding away, even where `when` could not be evaluated."""
    policies = make_policies(
        "- {id: i, each: packages as p, when: 'true', unless: 'p.name == \"a\"'}\n"
        '- {id: e, when: \'image.labels["none"] == "x"\', unless: \'event.tag == "v1"\'}\n'
        "- {id: f, when: 'true', unless: 'image.labels[\"none\"] == \"x\"'}"
    )
    judgement = policies.evaluate(make_case(packages=(package("a"), package("b"))))
    assert brief(judgement.findings) == [("p/i", "fail", "pkg:deb/debian/b@1"), ("p/f", "unknown", "error")]


def test_require_finds_what_is_not_there(make_policies: Policies, make_case: Cases) -> None:
    """One finding when no item satisfies it, none when one does."""
    policies = make_policies("- {id: r, each: packages as p, require: 'p.name == \"ca\"', message: 'missing in {{event.tag}}'}")
    assert policies.evaluate(make_case(packages=(package("ca"),))).findings == ()
    (finding,) = policies.evaluate(make_case(packages=(package("a"),))).findings
    assert (finding.key, finding.message) == ("", "missing in v1")


def test_max_allows_some(make_policies: Policies, make_case: Cases) -> None:
    """Findings only when more than that many match; then all of them."""
    policies = make_policies("- {id: r, each: packages as p, when: 'true', max: 2}")
    assert policies.evaluate(make_case(packages=(package("a"), package("b")))).findings == ()
    assert len(policies.evaluate(make_case(packages=(package("a"), package("b"), package("c")))).findings) == 3


def test_a_rule_may_be_announced(make_policies: Policies, make_case: Cases) -> None:
    """Before `enforce_from` a fail counts as warn; on that day it counts."""
    policies = make_policies(
        "- {id: r, when: 'true', enforce_from: 2026-02-01}\n- {id: n, when: 'true', action: note, enforce_from: 2026-02-01}"
    )
    before = policies.evaluate(make_case(now=datetime(2026, 1, 31, 23, 59, tzinfo=UTC)))
    assert [finding.action for finding in before.findings] == [Action.WARN, Action.NOTE]
    assert policies.evaluate(make_case(now=datetime(2026, 2, 1, tzinfo=UTC))).outcome is Outcome.FAIL


@pytest.mark.parametrize("state", [SectionState.MISSING, SectionState.PARTIAL, SectionState.STALE, SectionState.NOT_CONFIGURED])
@pytest.mark.parametrize(
    ("on_missing", "expected"),
    [("unknown", [("p/r", "unknown", "section:packages")]), ("fail", [("p/r", "fail", "section:packages")]),
     ("warn", [("p/r", "warn", "section:packages")]), ("skip", [])],
)  # fmt: skip
def test_a_rule_without_its_section_is_undecided(
    make_policies: Policies, make_case: Cases, state: SectionState, on_missing: str, expected: list[tuple[str, str, str]]
) -> None:
    """The finding is unknown with the reason, unless `on_missing` says otherwise."""
    policies = make_policies(f"- {{id: r, each: packages as p, when: 'false', on_missing: {on_missing}}}")
    judgement = policies.evaluate(make_case(sections={"packages": gap(state)}))
    assert brief(judgement.findings) == expected
    assert all("packages" in finding.message and "layer 1 is damaged" in finding.message for finding in judgement.findings)
    assert judgement.sections["packages"] == gap(state)


def test_what_lock_files_list_is_a_collection_of_its_own(make_policies: Policies, make_case: Cases) -> None:
    """No rule about packages sees it; one about it is undecided where a lock file could not be read, or nobody looked."""
    policies = make_policies(
        "- {id: r, each: declared as p, when: 'p.name == \"b\"'}\n- {id: s, each: packages as p, when: 'true'}"
    )
    case = make_case(packages=(package("a"),), declared=(package("b"), package("c")))
    seen = [("p/r", "fail", "pkg:deb/debian/b@1"), ("p/s", "fail", "pkg:deb/debian/a@1")]
    assert brief(policies.evaluate(case).findings) == seen
    partial = make_case(packages=(package("a"),), declared=(package("c"),), sections={"declared": gap(SectionState.PARTIAL)})
    assert brief(policies.evaluate(partial).findings) == [("p/r", "unknown", "section:declared"), seen[1]]
    assert case.inventory is not None
    recorded = {name: section for name, section in case.inventory.sections.items() if name != "declared"}
    before = replace(case, inventory=replace(case.inventory, declared=(), sections=recorded))
    assert brief(policies.evaluate(before).findings) == [("p/r", "unknown", "section:declared"), seen[1]]


def test_what_was_seen_of_a_partial_section_counts(make_policies: Policies, make_case: Cases) -> None:
    """Hits stand, and one finding says that there may be more."""
    policies = make_policies("- {id: r, each: secrets as s, when: 'true'}")
    judgement = policies.evaluate(make_case(secrets=(secret("a"),), sections={"secrets": gap(SectionState.PARTIAL)}))
    assert brief(judgement.findings) == [("p/r", "fail", "a@/app/.env"), ("p/r", "unknown", "section:secrets")]
    assert judgement.outcome is Outcome.FAIL


def test_counting_rules_know_when_a_partial_section_is_enough(make_policies: Policies, make_case: Cases) -> None:
    """A `require` that was met and a `max` that was exceeded are decided; otherwise the rest could change them."""
    policies = make_policies(
        "- {id: met, each: packages as p, require: 'p.name == \"a\"'}\n"
        "- {id: unmet, each: packages as p, require: 'p.name == \"x\"'}\n"
        "- {id: over, each: packages as p, when: 'true', max: 1}\n- {id: under, each: packages as p, when: 'true', max: 2}"
    )
    case = make_case(packages=(package("a"), package("b")), sections={"packages": gap(SectionState.PARTIAL)})
    assert [(rule, action) for rule, action, _ in brief(policies.evaluate(case).findings)] == [
        ("p/unmet", "unknown"),
        ("p/over", "fail"),
        ("p/over", "fail"),
        ("p/under", "unknown"),
    ]


def test_a_rule_that_is_decided_without_a_section_does_not_need_it(make_policies: Policies, make_case: Cases) -> None:
    """`false && base…` is false and `true || base…` is true, whatever the base is; only what hangs on it is undecided."""
    policies = make_policies(
        "- {id: neither, when: 'event.tag == \"x\" && base.froms.exists(f, true)'}\n"
        "- {id: either, when: 'base.froms.exists(f, true) || event.tag == \"v1\"'}\n"
        "- {id: hangs, when: 'event.tag == \"v1\" && base.froms.exists(f, true)'}\n"
        "- {id: items, each: packages as p, when: 'p.name == \"a\" && base.froms.exists(f, true)'}"
    )
    judgement = policies.evaluate(make_case(base=Base(), packages=(package("b"),)))
    assert brief(judgement.findings) == [("p/either", "fail", ""), ("p/hangs", "unknown", "section:base")]
    assert judgement.sections["base"].state is SectionState.MISSING
    hit = policies.evaluate(make_case(base=Base(), packages=(package("a"),)))
    assert ("p/items", "unknown", "section:base") in brief(hit.findings)


def test_whether_the_base_is_known_is_always_known(make_policies: Policies, make_case: Cases) -> None:
    """A rule may ask for `base.known` alone."""
    policies = make_policies("- {id: r, when: '!base.known', message: 'base {{base.known}}'}")
    assert brief(policies.evaluate(make_case(base=Base())).findings) == [("p/r", "fail", "")]
    assert policies.evaluate(make_case()).findings == ()


def test_what_no_inspection_produces_is_undecided(make_policies: Policies, make_case: Cases) -> None:
    """Pinned bases, ends of life, malware: fields that rules may name before there is anything to fill them."""
    policies = make_policies(
        "- {id: pin, when: 'dockerfile.images.exists(i, !i.pinned)'}\n- {id: eol, when: 'distro.eol'}\n"
        "- {id: mal, each: malware as m, when: 'true'}\n- {id: db, when: 'now - data.vulnerability_db_time > duration(\"1h\")'}"
    )
    judgement = policies.evaluate(make_case())
    assert [key for _, _, key in brief(judgement.findings)] == [
        "section:dockerfile",
        "section:lifecycle",
        "section:malware",
        "section:vulnerabilities",
    ]
    assert "vulnerabilities not configured" in judgement.findings[3].message


def test_an_evaluation_error_is_unknown(make_policies: Policies, make_case: Cases) -> None:
    """A key that is not there, a budget that is exhausted: the finding says what went wrong."""
    many = ImageConfig(history=tuple(HistoryEntry(created_by=f"RUN {number}") for number in range(200)))
    policies = make_policies(
        '- {id: key, when: \'image.labels["none"] == "x"\'}\n'
        "- {id: budget, when: 'image.history.exists(a, image.history.exists(b, a.args + b.args == \"x\"))', on_missing: warn}\n"
        "- {id: item, each: packages as p, when: 'p.licenses[0] == \"x\"'}\n"
        "- {id: named, each: packages as p, when: 'true', key: 'p.licenses[0]'}"
    )
    findings = policies.evaluate(make_case(config=many, packages=(package("a"), package("b")))).findings
    assert brief(findings) == [
        ("p/key", "unknown", "error"),
        ("p/budget", "warn", "error"),
        ("p/item", "unknown", "error"),
        ("p/named", "unknown", "error"),
    ]
    assert "Key not found in map" in findings[0].message
    assert "budget" in findings[1].message
    assert "for 2 of them" in findings[2].message


def test_a_message_that_errs_does_not_lose_its_finding(make_policies: Policies, make_case: Cases) -> None:
    """The part that cannot be said is a question mark."""
    policies = make_policies("- {id: r, when: 'true', message: 'label {{image.labels[\"none\"]}} and {{base.how}}'}")
    (finding,) = policies.evaluate(make_case(base=Base())).findings
    assert (finding.action, finding.message) == (Action.FAIL, "label ? and ?")


def test_messages_are_bounded(make_policies: Policies, make_case: Cases) -> None:
    """An image cannot blow up a verdict with a long text."""
    policies = make_policies("- {id: r, when: 'true', message: '{{image.config.user}}'}")
    (finding,) = policies.evaluate(make_case(config=ImageConfig(user="x" * 100_000))).findings
    assert len(finding.message) == 2000


def test_findings_of_a_rule_are_bounded(make_policies: Policies, make_case: Cases) -> None:
    """After a thousand the rest are counted, with the rule's own action."""
    policies = make_policies("- {id: r, each: files as f, when: 'true'}")
    count = MAX_FINDINGS + 7
    table = FileTable(
        path=[f"f{number:05}" for number in range(count)], kind=["f"] * count, mode=[0o644] * count, uid=[0] * count,
        gid=[0] * count, size=[0] * count, link=[""] * count, layer=[0] * count,
    )  # fmt: skip
    findings = policies.evaluate(make_case(files=table)).findings
    assert len(findings) == MAX_FINDINGS + 1
    assert (findings[-1].key, findings[-1].action, findings[-1].message) == ("more", Action.FAIL, "and 7 more like these")


def test_only_matching_policies_apply(make_policies: Policies, make_case: Cases) -> None:
    """The judgement names those that do; `match` may read anything."""
    policies = make_policies("- {id: r, when: 'true'}", match='event.environment == "production" && image.os == "linux"')
    judgement = policies.evaluate(make_case(environment="production"))
    assert [(policy.name, policy.version) for policy in judgement.policies] == [("p", "1.2.3")]
    assert judgement.policy_revision == "sha256:0"


@pytest.mark.parametrize(
    ("on_no_match", "outcome"),
    [("fail", Outcome.FAIL), ("unknown", Outcome.UNKNOWN), ("warn", Outcome.WARN), ("pass", Outcome.PASS)],
)
def test_an_image_without_policy_is_a_configured_outcome(
    make_policies: Policies, make_case: Cases, on_no_match: str, outcome: Outcome
) -> None:
    """By default it fails, so that nothing slips through a narrow match."""
    policies = make_policies("- {id: r, when: 'true'}", match="false", on_no_match=on_no_match)
    judgement = policies.evaluate(make_case())
    assert judgement.outcome is outcome
    assert [finding.rule for finding in judgement.findings] == ([] if on_no_match == "pass" else ["policies/on-no-match"])
    assert judgement.policies == ()


@pytest.mark.parametrize(
    "match",
    ['image.labels["none"] == "x"', "base.froms.size() > 0", "drift.added.size() > 0", "dockerfile.images.size() > 0"],
)
def test_a_match_that_cannot_be_decided_is_unknown(make_policies: Policies, make_case: Cases, match: str) -> None:
    """It is not known whether the policy applies, so its rules are not asked and the image is not passed."""
    judgement = make_policies("- {id: r, when: 'true'}", match=match).evaluate(make_case(base=Base()))
    assert brief(judgement.findings) == [("p/match", "unknown", "")]
    assert judgement.outcome is Outcome.UNKNOWN


def test_without_inspection_rules_about_the_event_are_decided(make_policies: Policies, make_case: Cases) -> None:
    """A failure is a failure for an image that nobody looked into; without one it stays unknown."""
    rules = "- {id: hub, when: 'event.registry == \"docker.io\"'}\n- {id: root, when: 'image.config.runs_as_root'}"
    policies = make_policies(rules)
    failed = policies.evaluate(make_case(registry="docker.io", inspected=False))
    assert (failed.outcome, brief(failed.findings)) == (Outcome.FAIL, [("p/hub", "fail", "")])
    assert {section.state for section in failed.sections.values()} == {SectionState.MISSING}
    undecided = policies.evaluate(make_case(inspected=False))
    assert (undecided.outcome, undecided.findings) == (Outcome.UNKNOWN, ())


def test_without_inspection_a_policy_that_only_asks_the_event_is_whole(make_policies: Policies, make_case: Cases) -> None:
    """Where nothing is left undecided the outcome is the real one; a match that needs the image leaves all undecided."""
    assert make_policies("- {id: r, when: 'event.tag == \"x\"'}").evaluate(make_case(inspected=False)).outcome is Outcome.PASS
    unsure = make_policies("- {id: r, when: 'true'}", match='image.os == "linux"').evaluate(make_case(inspected=False))
    assert (unsure.outcome, unsure.findings, unsure.policies) == (Outcome.UNKNOWN, (), ())


def test_every_section_is_in_the_judgement(make_policies: Policies, make_case: Cases) -> None:
    """What is not configured says so, in the order of the specification."""
    sections = make_policies("- {id: r, when: 'false'}").evaluate(make_case()).sections
    assert list(sections)[:3] == ["config", "packages", "files"]
    assert len(sections) == 12
    assert sections["vulnerabilities"].state is SectionState.NOT_CONFIGURED
    assert sections["vulnerabilities"].reason


def test_what_no_inspection_looks_at_is_said_in_one_place(make_policies: Policies, make_case: Cases) -> None:
    """An inspection that was stored says nothing of vulnerability data, however it was made: those may be others now."""
    claimed = {name: Section() for name in SECTIONS}
    policies = make_policies("- {id: r, when: 'false'}")
    plain, claiming = policies.evaluate(make_case()), policies.evaluate(make_case(sections=claimed))
    later = ("vulnerabilities", "provenance", "drift")
    assert [claiming.sections[name] for name in later] == [plain.sections[name] for name in later]
    assert {plain.sections[name].state for name in later} == {SectionState.NOT_CONFIGURED}


def test_a_rule_that_we_fail_over_is_unknown_and_the_others_have_their_say(make_policies: Policies, make_case: Cases) -> None:
    """Facts that contradict themselves are a mistake of ours; it is said of the rule, which cannot skip it."""
    torn = FileTable(path=["a"], kind=["f"], mode=[0o4755], uid=[], gid=[], size=[], link=[], layer=[])
    policies = make_policies(
        "- {id: torn, title: Files, each: files as f, on_missing: skip, when: 'f.uid == 7'}\n- {id: r, when: 'true'}"
    )
    judgement = policies.evaluate(make_case(files=torn))
    assert [(each.rule, each.action) for each in judgement.findings] == [("p/torn", Action.UNKNOWN), ("p/r", Action.FAIL)]
    assert judgement.findings[0].message.startswith("Files: could not be decided, by a mistake of the watcher's own: ")
