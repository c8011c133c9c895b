"""What PEAR and PECL installed."""

from typing import Any

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.pear import MAX_BYTES, PearCataloger
from watcher.inspection.catalogers.pear_serialized import MAX_DEPTH, NotSerializedError, unserialized
from watcher.inspection.catalogers.protocol import DamagedDatabaseError
from watcher.model.inventory import PackageRecord

cataloger = PearCataloger()
PATH = "usr/local/lib/php/.registry/.channel.pecl.php.net/redis.reg"


def serialized(value: Any) -> bytes:
    """As PHP's `serialize`: lists are arrays whose keys are numbers."""
    if isinstance(value, bytes):
        return b's:%d:"%s";' % (len(value), value)
    if isinstance(value, str):
        return serialized(value.encode())
    if value is None:
        return b"N;"
    if isinstance(value, bool):
        return b"b:%d;" % value
    if isinstance(value, int | float):
        return f"{'i' if isinstance(value, int) else 'd'}:{value};".encode()
    members = dict(enumerate(value)) if isinstance(value, list) else value
    return b"a:%d:{%s}" % (len(members), b"".join(serialized(key) + serialized(each) for key, each in members.items()))


REDIS: dict[str, Any] = {
    "attribs": {"version": "2.0"},
    "name": "redis",
    "channel": "pecl.php.net",
    "lead": [{"name": "Michael Grunder", "user": "mgrunder"}, {"name": "Pavlo Yatsukhnenko"}],
    "version": {"release": "6.0.2", "api": "6.0.0"},
    "license": {"attribs": {"uri": "http://www.php.net/license"}, "_content": "PHP"},
    "filelist": {"redis.c": {"role": "src", "installed_as": None, "baseinstalldir": "/", "x": 1.5, "y": True}},
    "_lastmodified": 1700000000,
}


def record(document: object, path: str = PATH) -> PackageRecord:
    database = database_of(cataloger, path, serialized(document))
    assert database is not None
    (package,) = database.packages
    return package


def test_a_package_of_the_second_form_is_read() -> None:
    """The channel is the namespace of its purl."""
    package = record(REDIS)
    assert (package.type, package.name, package.version, package.licenses) == ("pear", "redis", "6.0.2", ("PHP",))
    assert (package.purl, package.maintainer) == ("pkg:pear/pecl.php.net/redis@6.0.2", "Michael Grunder")


def test_a_package_of_the_first_form_is_read() -> None:
    """It says no channel: that is its directory's, or PEAR's own."""
    document = {"package": "Archive_Tar", "version": "1.4", "release_license": "BSD", "maintainers": [{"name": "Vincent Blavet"}]}
    package = record(document, "usr/share/php/.registry/archive_tar.reg")
    assert (package.purl, package.licenses) == ("pkg:pear/pear.php.net/Archive_Tar@1.4", ("BSD",))
    assert record(document, "usr/share/pear/.registry/.channel.a.b/x.reg").purl == "pkg:pear/a.b/Archive_Tar@1.4"


@pytest.mark.parametrize(
    ("licence", "licences"),
    [
        ("PHP 3.01", ("PHP 3.01",)),
        ([{"_content": "BSD"}, "MIT"], ("BSD", "MIT")),
        ({"_content": 7}, ()),
        (7, ()),
        ([[], None], ()),
        (None, ()),
    ],
)
def test_licences_of_every_shape(licence: object, licences: tuple[str, ...]) -> None:
    """A text, an element with attributes, or several."""
    assert record({**REDIS, "license": licence}).licenses == licences


@pytest.mark.parametrize("lead", [{"name": "One"}, [{"name": "One"}], {"name": "One", "user": "x"}])
def test_the_maintainer_is_the_first_lead(lead: object) -> None:
    """Of one element PHP makes no list."""
    assert record({**REDIS, "lead": lead}).maintainer == "One"


@pytest.mark.parametrize("content", [b"", b"x", b"N;", b's:1:"a";', serialized(REDIS)[:-9], serialized({"name": "a"}), b"a:1:{}"])
def test_what_is_no_package_is_an_error(content: bytes) -> None:
    """It is in a place where only packages are."""
    with pytest.raises(DamagedDatabaseError):
        cataloger.read(PATH, content)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("usr/share/pear/.registry/archive_tar.reg", True),
        (".registry/a.reg", True),
        ("usr/share/php/.channels/pear.php.net.reg", False),
        ("opt/wine/system.reg", False),
        ("usr/share/php/.registry/.lock", False),
    ],
)
def test_the_registry_of_pear_is_wanted(path: str, wanted: bool) -> None:
    """Not that of its channels, nor another's."""
    assert cataloger.wants(path, 100) is wanted
    assert not cataloger.wants(path, MAX_BYTES + 1)


def test_only_wanted_members_are_built() -> None:
    """With all that is in them."""
    assert unserialized(serialized({"a": {"b": [1, -2, "x"]}, "c": {"d": "e"}}), frozenset({b"a"})) == {
        b"a": {b"b": {0: 1, 1: -2, 2: b"x"}}
    }


def test_objects_and_references_are_passed_over() -> None:
    """Their members are those of an array."""
    content = b'a:2:{s:1:"a";O:8:"stdClass":1:{s:1:"b";r:1;}s:1:"c";R:2;}'
    assert unserialized(content, frozenset({b"a", b"c"})) == {b"a": {b"b": None}, b"c": None}


@pytest.mark.parametrize(
    "content",
    [
        b"a:1:{a:0:{}N;}",
        b"a:1:{N;N;}",
        b"a:1:{i:0;N;",
        b"a:1:i:0;N;}",
        b'a:1:{i:0;s:9:"a";}',
        b'a:1:{i:0;s:1:"a"}',
        b'a:1:{i:0;O:1:"a":x:{}}',
        b'a:1:{i:0;C:1:"a":0:{}}',
        b"a:9999999999:{}",
        b"a:1:{i:0;" * (MAX_DEPTH + 1) + b"N;" + b"}" * (MAX_DEPTH + 1),
    ],
)
def test_what_php_would_not_read_is_refused(content: bytes) -> None:
    """Also what is nested deeper than anyone does."""
    with pytest.raises(NotSerializedError):
        unserialized(content, frozenset())


@pytest.mark.untraced
def test_what_it_costs_is_bounded() -> None:
    """A file full of the smallest members, wanted or not."""
    count = MAX_BYTES // 8
    for key in (b"name", b"x"):
        content = b's:%d:"%s";' % (len(key), key) + b"a:%d:{%s}" % (count, b"i:0;N;" * count)
        with pytest.raises(DamagedDatabaseError):
            cataloger.read(PATH, b"a:1:{" + content + b"}")
