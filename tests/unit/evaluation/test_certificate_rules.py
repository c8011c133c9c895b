"""Rules about certificates, keys and what building left, of an image as it was inspected."""

import pytest

from tests.unit.evaluation.conftest import TOP_LAYER, Cases, Policies
from tests.unit.evaluation.test_file_rules import table
from watcher.model.certificates import Certificate, CertificateRecord, Key, KeyRecord
from watcher.model.verdict import Evidence

RECORD = CertificateRecord(position=2, subject="CN=a", not_after="2026-01-30T00:00:00Z", key_algorithm="RSA", key_bits=1024)
CERTIFICATES = (
    Certificate(record=RECORD, path="etc/a.pem", layer=1),
    Certificate(record=CertificateRecord(position=1), path="etc/unread.pem", layer=1),
    Certificate(record=CertificateRecord(not_after="2020-01-01T00:00:00Z"), path="etc/ca.pem", layer=1, roots=140),
)
KEYS = (Key(record=KeyRecord(position=1, kind="private", algorithm="EC", bits=256, encrypted=True), path="etc/a.key", layer=1),)


@pytest.mark.parametrize(
    ("each", "when", "path", "key"),
    [
        ("certificates", "x.roots == 0 && has(x.not_after) && x.not_after < now + duration('720h')", "/etc/a.pem", "/etc/a.pem#2"),
        ("certificates", "x.key_algorithm == 'RSA' && x.key_bits < 2048", "/etc/a.pem", "/etc/a.pem#2"),
        ("certificates", "!has(x.not_after)", "/etc/unread.pem", "/etc/unread.pem"),
        ("certificates", "x.roots > 0", "/etc/ca.pem", "/etc/ca.pem"),
        ("keys", "x.kind == 'private' && x.encrypted && x.bits == 256", "/etc/a.key", "/etc/a.key"),
        ("leftovers", "x.tool == 'bash' && x.files == 1 && x.size == 1", "/root/.bash_history", "/root/.bash_history"),
    ],
)
def test_the_one_that_a_rule_means(make_policies: Policies, make_case: Cases, each: str, when: str, path: str, key: str) -> None:
    """Is found, with the layer that brought its file as evidence."""
    case = make_case(certificates=CERTIFICATES, keys=KEYS, files=table(("root/.bash_history", "f", 0o600)))
    (finding,) = make_policies(f'- {{id: r, each: {each} as x, when: "{when}"}}').evaluate(case).findings
    assert finding.key == key
    assert finding.evidence == Evidence(layer=TOP_LAYER, layer_index=1, created_by="COPY . / # buildkit", path=path)
