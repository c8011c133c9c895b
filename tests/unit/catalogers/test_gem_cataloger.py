"""Installed gems."""

from contextlib import suppress

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.gem import MAX_BYTES, MAX_STATEMENTS, GemCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, PartlyReadError
from watcher.model.inventory import PackageRecord

cataloger = GemCataloger()
PATH = "usr/lib/ruby/gems/3.3.0/specifications/x-1.0.gemspec"

# As RubyGems 3.5 leaves it.
INSTALLED = """# -*- encoding: utf-8 -*-
# stub: nokogiri 1.16.5 x86_64-linux lib

Gem::Specification.new do |s|
  s.name = "nokogiri".freeze
  s.version = "1.16.5"
  s.platform = "x86_64-linux".freeze

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.metadata = { "changelog_uri" => "https://nokogiri.org/CHANGELOG.html" } if s.respond_to? :metadata=
  s.require_paths = ["lib".freeze]
  s.authors = ["Mike Dalessio".freeze, "Aaron Patterson".freeze]
  s.date = "2024-05-13"
  s.licenses = ["MIT".freeze, "Ruby".freeze]
  s.summary = "Nokogiri (\\u92F8) makes it easy".freeze

  s.specification_version = 4
  s.add_runtime_dependency(%q<racc>.freeze, ["~> 1.4".freeze])
end
"""


def record(content: str, path: str = PATH) -> PackageRecord:
    database = database_of(cataloger, path, content.encode())
    assert database is not None
    (package,) = database.packages
    return package


def test_what_rubygems_leaves_is_read() -> None:
    """Its platform is part of what it is: advisories name the version alone."""
    gem = record(INSTALLED)
    assert (gem.type, gem.name, gem.version, gem.source) == ("gem", "nokogiri", "1.16.5", "nokogiri")
    assert (gem.licenses, gem.maintainer) == (("MIT", "Ruby"), "Mike Dalessio")
    assert gem.purl == "pkg:gem/nokogiri@1.16.5?platform=x86_64-linux"


@pytest.mark.parametrize(
    ("lines", "name", "version"),
    [
        ('s.name = "rake"\ns.version = "13.0.6"', "rake", "13.0.6"),
        ("s.name = 'rake'; s.version = '13.0.6'", "rake", "13.0.6"),
        ("s.name = %q{rake}\ns.version = %q<0.8.7>", "rake", "0.8.7"),
        ("s.name = %q(rake)\ns.version = %[1.0.pre]", "rake", "1.0.pre"),
        ("spec.name=%q!rake!\n  gem.version = Gem::Version.new('1.2.3')", "rake", "1.2.3"),
        ('s.version = Gem::Version.new "1"\ns.name = "a"\ns.name = "b"', "b", "1"),
        ('# stub: bundler 2.4.1 ruby lib\ns.name = "bundler"\ns.version = Bundler::VERSION', "bundler", "2.4.1"),
        ('s.name = "x-#{kind}"\ns.version = File.read("VERSION")', "x", "1.0"),
        ("anything", "x", "1.0"),
        ("", "x", "1.0"),
        ('#s.name = "commented"', "x", "1.0"),
    ],
)
def test_name_and_version_in_all_ways_they_are_written(lines: str, name: str, version: str) -> None:
    """As RubyGems wrote them at any time; what only a run could tell is in its stub, or in the name of the file."""
    found = record(lines)
    assert (found.name, found.version) == (name, version)


@pytest.mark.parametrize(
    ("called", "purl"),
    [
        ("google-protobuf-3.25.3-x86_64-linux", "pkg:gem/google-protobuf@3.25.3?platform=x86_64-linux"),
        ("jar-dependencies-0.4.1-java", "pkg:gem/jar-dependencies@0.4.1?platform=java"),
        ("rspec-3.0.0.beta2", "pkg:gem/rspec@3.0.0.beta2"),
    ],
)
def test_the_name_of_the_file_says_it_where_nothing_else_does(called: str, purl: str) -> None:
    """Name, version and platform, as RubyGems calls it."""
    assert record("", f"opt/gems/specifications/{called}.gemspec").purl == purl


@pytest.mark.parametrize(
    ("line", "licences"),
    [
        ('s.license = "MIT"', ("MIT",)),
        ("s.licenses = %w[MIT Apache-2.0]", ("MIT", "Apache-2.0")),
        ("s.licenses = [ 'BSD-2-Clause', %q{Ruby} ]", ("BSD-2-Clause", "Ruby")),
        ('s.licenses = ["MIT".freeze, "MIT".freeze, LICENSE]', ("MIT",)),
        ("s.licenses = []", ()),
        ("s.licenses = LICENSES", ()),
    ],
)
def test_licences_as_written(line: str, licences: tuple[str, ...]) -> None:
    """One or a list."""
    assert record(line).licenses == licences


def test_escapes_of_ruby_are_read() -> None:
    """RubyGems writes whatever is not ASCII so."""
    assert record(r's.authors = ["Andr\u00E9 \"A\" \u{1F600}"]').maintainer == 'André "A" \U0001f600'
    assert record(r"s.author = 'O\'Neil\\'").maintainer == "O'Neil\\"
    assert record(r's.author = "\u{110000}a\n"').maintainer == "?a"


def test_a_stub_that_says_otherwise_is_told() -> None:
    """RubyGems goes by the one until it runs the other."""
    with pytest.raises(PartlyReadError, match="more than one name or version of 'b'") as raised:
        record('# stub: a 1.0 ruby lib\ns.name = "b"\ns.version = "1.0"')
    assert [each.name for each in raised.value.facts[0].packages] == ["b"]


def test_one_without_a_name_is_an_error() -> None:
    """It is in a place where only specifications are."""
    with pytest.raises(DamagedDatabaseError, match="no name and version"):
        record("", "usr/share/specifications/odd.gemspec")


@pytest.mark.parametrize(
    ("path", "size", "wanted"),
    [
        ("usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec", 1, True),
        ("specifications/a-1.gemspec", 1, True),
        ("specifications/a-1.gemspec", MAX_BYTES + 1, False),
        ("usr/lib/ruby/gems/3.1.0/gems/json-2.6.1/json.gemspec", 1, False),
        ("usr/share/specifications/a.txt", 1, False),
        ("my-specifications/a-1.gemspec", 1, False),
    ],
)
def test_installed_ones_are_wanted(path: str, size: int, wanted: bool) -> None:
    """The source of a gem has a specification too, which says nothing of what is installed."""
    assert cataloger.wants(path, size) is wanted


def test_more_statements_than_a_specification_has_are_an_error() -> None:
    """Each gives a field its value once."""
    with pytest.raises(DamagedDatabaseError, match="more than"):
        record('s.name = "a"\n' * (MAX_STATEMENTS + 1))


@pytest.mark.parametrize(
    "line", [b"a.name=%<", b'a.name="', b"a.name=[" + b'"",' * 9, b"a." * 9 + b"name = ", b' \\"', b"  =  ", b"\n", b"name=%q!"]
)
def test_what_it_costs_is_bounded(line: bytes) -> None:
    """Whatever is repeated, on one line or on many."""
    for separator in (b"", b"\n", b" "):
        content = ((line + separator) * (MAX_BYTES // 16 // len(line))) + b'\n# stub: a 1 ruby lib\ns.name = "a"\ns.version = "1"\n'
        with suppress(DamagedDatabaseError):
            assert database_of(cataloger, PATH, content) is not None
