"""Certificates of a whole image: each file's once, trust stores as one."""

from collections.abc import Mapping

import pytest

from tests.doubles.cataloging import facts_of
from tests.doubles.certificates import pem, signed
from tests.unit.inspection.test_declared_packages import collected
from tests.unit.inspection.test_file_contents import read
from tests.unit.inspection.test_installed import layer
from watcher.inspection.catalogers.catalog import CATALOGERS
from watcher.inspection.catalogers.x509 import X509Cataloger
from watcher.inspection.confined.parts import CERTIFICATES
from watcher.inspection.hiding import Hiding, hidden_layer
from watcher.inspection.image.certificates import MANY, certificates_of, keys_of
from watcher.inspection.image.merge import merge
from watcher.inspection.workers.collector import Collector
from watcher.inspection.workers.messages import Alias, Certificates, Done, Forgotten, Limits
from watcher.model.certificates import Certificate, CertificateFile, CertificateRecord, Key
from watcher.model.errors import WorkerFailedError
from watcher.model.inventory import LayerFacts

DONE = Done(compressed_bytes=0, plain_bytes=0)
LEAF = CertificateRecord(position=1, subject="CN=a", not_after="2030-01-01T00:00:00Z", sha256="a")


def root(number: int) -> CertificateRecord:
    return CertificateRecord(
        position=number,
        subject=f"CN={number}",
        not_before=f"20{10 + number}-01-01T00:00:00Z",
        not_after=f"20{40 + number}-01-01T00:00:00Z",
        ca=True,
        self_signed=True,
    )


ROOTS = tuple(map(root, range(1, MANY + 1)))


def certified(files: Mapping[str, tuple[CertificateRecord, ...]], *rows: str, whiteouts: tuple[str, ...] = ()) -> LayerFacts:
    found = tuple(CertificateFile(path=path, type="x509", certificates=records) for path, records in files.items())
    return layer(*files, *rows, whiteouts=whiteouts, certificates=found)


def found(*layers: LayerFacts) -> list[tuple[str, str, int, int]]:
    listed = certificates_of(merge(layers).certificates, 1)
    assert all(each.from_base == (each.layer < 1) for each in listed)
    return [(each.path, each.record.subject, each.roots, each.layer) for each in listed]


def test_those_of_the_final_image_are_listed() -> None:
    """With the layer that brought the file; not those that a later layer deletes or has put another file in the place of."""
    base = certified({"etc/a.pem": (LEAF,), "etc/b.pem": (LEAF,), "etc/c.pem": (LEAF,)})
    upper = certified({"etc/d.pem": (LEAF,)}, "etc/b.pem", whiteouts=("etc/c.pem",))
    assert found(base, upper) == [("etc/a.pem", "CN=a", 0, 0), ("etc/d.pem", "CN=a", 0, 1)]


def test_a_file_is_where_links_lead() -> None:
    """A layer that writes through a link of a lower one has it where that leads."""
    assert found(layer("etc/ssl -> ../usr/ssl"), certified({"etc/ssl/a.pem": (LEAF,)})) == [("usr/ssl/a.pem", "CN=a", 0, 1)]


def test_a_trust_store_is_one() -> None:
    """A file of many roots, or a directory of such files; what else is in them is listed by itself."""
    files = {f"usr/share/ca/{each.position}.crt": (each,) for each in ROOTS}
    layers = certified({"etc/ca.pem": (*ROOTS, LEAF), **files, "usr/share/ca/leaf.crt": (LEAF,)})
    assert certificates_of(merge([layers]).certificates, 0) == (
        *(
            Certificate(
                record=CertificateRecord(
                    not_before="2011-01-01T00:00:00Z", not_after="2041-01-01T00:00:00Z", ca=True, self_signed=True
                ),
                path=path,
                layer=0,
                roots=MANY,
            )
            for path in ("etc/ca.pem", "usr/share/ca")
        ),
        Certificate(record=LEAF, path="etc/ca.pem", layer=0),
        Certificate(record=LEAF, path="usr/share/ca/leaf.crt", layer=0),
    )


def test_what_another_layer_adds_to_a_trust_store_is_told() -> None:
    """A root that somebody put beside those of the distribution is not theirs."""
    files = {f"usr/share/ca/{each.position}.crt": (each,) for each in ROOTS}
    listed = found(certified(files), certified({"usr/share/ca/own.crt": (root(90),)}))
    assert listed == [("usr/share/ca", "", MANY, 0), ("usr/share/ca/own.crt", "CN=90", 0, 1)]


def test_a_few_roots_are_listed_each() -> None:
    """They are an application's own."""
    assert [each[2] for each in found(certified({"etc/ca.pem": ROOTS[1:]}))] == [0] * (MANY - 1)


def test_they_come_from_the_worker_in_parts() -> None:
    """However many there are, and once a path: a later entry takes the place of an earlier one."""
    content = pem(signed("a")) * (CERTIFICATES + 2)
    sent = [each for each in read(("etc/a.pem", content), by=(CATALOGERS["x509"],)) if isinstance(each, Certificates)]
    assert [len(each.file.certificates) for each in sent] == [CERTIFICATES, 2]
    (listed,) = collected(*sent, DONE).certificates
    assert (listed,) == facts_of(X509Cataloger(), "etc/a.pem", content)
    assert collected(*sent, Forgotten(path="etc/a.pem"), DONE).certificates == ()


def test_a_hard_link_has_the_certificates_of_its_file() -> None:
    """Where it would be read by its name."""
    file = CertificateFile(path="a.pem", type="x509", certificates=(LEAF,))
    links = (Alias(path=path, target="a.pem") for path in ("b.crt", "c.txt"))
    facts = collected(Certificates(file=file), *links, DONE)
    assert [each.path for each in facts.certificates] == ["a.pem", "b.crt"]
    assert facts.problems == ()


def test_keys_are_listed_by_path() -> None:
    """With the layer that brought the file, however many parts they came in."""
    lines = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA\n" * (CERTIFICATES + 1)
    sent = [each for each in read((".ssh/authorized_keys", lines), by=(CATALOGERS["x509"],)) if isinstance(each, Certificates)]
    (file,) = collected(*sent, DONE).certificates
    merged = merge([layer(file.path, certificates=(file,))])
    found = keys_of(merged.certificates, 1)
    assert [each.record.position for each in found] == [*range(1, CERTIFICATES + 2)]
    assert found[0] == Key(record=file.keys[0], path=file.path, layer=0, from_base=True)
    assert certificates_of(merged.certificates, 1) == ()


def test_a_liar_is_not_believed() -> None:
    """Certificates are what a cataloger of certificates finds."""
    collector = Collector(Limits(plain_bytes=1, files=1, memory_bytes=1, cpu_seconds=1))
    with pytest.raises(WorkerFailedError, match="certificates that cannot be"):
        collector.add(Certificates(file=CertificateFile(path="a", type="deb", certificates=(LEAF,))))


def test_a_secret_in_a_name_is_hidden() -> None:
    """Whose certificate it is, is the author's word; its fingerprint is ours."""
    record = CertificateRecord(position=1, subject="CN=hunter2", sha256="hunter2")
    facts = hidden_layer(certified({"etc/a.pem": (record,)}), Hiding(texts={"hunter2": "***"}))
    assert facts.certificates[0].certificates == (CertificateRecord(position=1, subject="CN=***", sha256="hunter2"),)
