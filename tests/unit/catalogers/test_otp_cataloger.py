"""Applications of Erlang and Elixir."""

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.otp import MAX_BYTES, OtpCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError

cataloger = OtpCataloger()
PATH = "opt/rabbitmq/plugins/rabbit-3.12.10/ebin/rabbit.app"


def found(content: bytes, path: str = PATH) -> tuple[str, str, str]:
    database = database_of(cataloger, path, content)
    assert database is not None
    (package,) = database.packages
    return package.name, package.version, package.purl


@pytest.mark.parametrize(
    "content",
    [
        b'{application, \'rabbit\', [\n\t{description, "RabbitMQ"},\n\t{vsn, "3.12.10"},\n\t{id, "v3.12.9"}\n]}.',
        b'%% {vsn, "1"}\n{application,rabbit,[{description,"a {vsn, \\"1\\"} %"},{vsn,"3.12.10"}]}.\n',
        b'{application, rabbit, [{env, [{vsn, "1"}, {x, [{vsn, "2"}]}]}, {vsn,"3.12.10"}]}.',
        b'{application, rabbit, [{modules, [vsn, "1"]}, {vsn, % "1"\n "3.12.10"}]}.',
        b"{application, rabbit, [{vsn, git}]}.",
        b"{application, rabbit, []}.",
    ],
)
def test_an_application_has_the_version_it_says_or_its_directory(content: bytes) -> None:
    """Not one in a comment, in a text or in its environment."""
    assert found(content) == ("rabbit", "3.12.10", "pkg:otp/rabbit@3.12.10")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{application", b"{application, a", b"{release, a, []}", b"application, a, [{vsn, 1}]", b'"' * 9]
)
def test_what_is_no_application_is_an_error(content: bytes) -> None:
    """Erlang itself could not start it."""
    with pytest.raises(DamagedDatabaseError):
        cataloger.read("app/ebin/a.app", content)


@pytest.mark.parametrize("unit", [b'"', b'"\\', b'\\"', b"'", b"'\\", b"{", b"%", b"a", b"a@", b'"a\\"'])
def test_what_it_costs_is_bounded(unit: bytes) -> None:
    """Whatever is repeated."""
    with pytest.raises(DamagedDatabaseError):
        cataloger.read("a.app", unit * (MAX_BYTES // len(unit)))


@pytest.mark.parametrize(
    ("path", "wanted"), [("usr/lib/erlang/lib/ssl-11.1/ebin/ssl.app", True), ("ebin/a.app", True), ("Applications/X.app", False)]
)
def test_applications_are_in_a_directory_ebin(path: str, wanted: bool) -> None:
    """Other systems call other things so."""
    assert cataloger.wants(path, 100) is wanted
    assert not cataloger.wants(path, MAX_BYTES + 1)
