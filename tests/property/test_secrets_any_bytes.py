"""Any window, hit and text is judged without an error, and no value is in the judgement."""

from hypothesis import given
from hypothesis import strategies as st

from watcher.inspection.image.config_secrets import config_secrets
from watcher.inspection.secrets.rules import SecretRules
from watcher.model.errors import TooLargeError
from watcher.model.image import HistoryEntry, ImageConfig

RULES = SecretRules.load(b"salt")

words = st.sampled_from(
    [
        *(keyword for rule in RULES.rules for keyword in rule.keywords),
        *(
            "AKIA",
            "-----BEGIN PRIVATE KEY-----\n",
            "eyJhbGciOiJ9",
            "eyJ",
            ".",
            '"auth": "',
            "://u:",
            "@h",
            "=",
            ": ",
            "'",
            '"',
            "\n",
            "\\n",
            "password",
            "UFJJVkFURSBLRVktLS0t",
            "ImF1dGhzI",
            "A\0K\0I\0A\0",
        ),
        *("a7Q2", "Zk9x", "0123", "/+", "aws", "twilio", "\0", "ÿ", "x" * 50, "Q7ZL2M4XWP6TR3VNabcdefgh1928374650" * 2),
    ]
)
texts = st.lists(words | st.text(max_size=5), max_size=30).map("".join)


@given(st.integers(0, 3 * len(RULES.rules) - 1), st.text(max_size=20), texts, st.integers(0, 400), st.none() | st.integers(1, 9))
def test_any_window_is_judged(rule: int, path: str, text: str, end: int, line: int | None) -> None:
    """Whatever hyperscan pointed at, in each of the encodings."""
    window = text.encode("utf-8", "surrogatepass")
    hit = RULES.judge(rule, path, window, min(end, len(window)), line)
    if hit is not None:
        assert hit.rule == RULES.rules[rule % len(RULES.rules)].id
        assert len(hit.preview) <= 4
        assert (hit.line is None) == (line is None)


@given(texts | st.text())
def test_any_text_is_searched(text: str) -> None:
    """Text out of JSON may even hold lone surrogates."""
    assert all(hit.line is None and hit.path == "place" for hit in RULES.scan_text(text, "place"))


@given(st.lists(texts, max_size=4), st.dictionaries(st.text(max_size=5), texts, max_size=2), st.lists(texts, max_size=3))
def test_any_configuration_is_searched(env: list[str], labels: dict[str, str], steps: list[str]) -> None:
    """One secret a value, each with a place."""
    config = ImageConfig(env=tuple(env), labels=labels, history=tuple(HistoryEntry(created_by=step) for step in steps))
    try:
        found = config_secrets(config, RULES).secrets
    except TooLargeError:
        return
    assert len({secret.hit.fingerprint for secret in found}) == len(found)
    assert all(secret.where in {"env", "label", "history"} for secret in found)
