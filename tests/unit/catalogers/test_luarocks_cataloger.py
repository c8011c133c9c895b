"""Installed rocks of Lua."""

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.luarocks import MAX_BYTES, LuarocksCataloger
from watcher.inspection.catalogers.protocol import PartlyReadError
from watcher.model.inventory import PackageRecord

cataloger = LuarocksCataloger()
PATH = "usr/local/lib/luarocks/rocks-5.1/luasocket/3.1.0-1/luasocket-3.1.0-1.rockspec"

LUASOCKET = """#!/usr/bin/env lua
-- the author's own = "words"
build = { type = "builtin", modules = { ["package"] = "x.lua", version = "9" } }
package = "LuaSocket"
version = "3.1.0-1"
source = { url = "git+https://github.com/lunarmodules/luasocket.git", tag = "v3.1.0" }
description = {
   summary = "Network support for the Lua language",
   detailed = [[
      license = "none" -- ]],
   license = 'MIT', --[==[ ]] license = "other" ]==]
   ["license?"] = "no",
   maintainer = "Caleb \\"C\\" Maclennan",
   labels = { license = "deep" },
}
"""


def record(content: str, path: str = PATH) -> PackageRecord:
    database = database_of(cataloger, path, content.encode())
    assert database is not None
    (package,) = database.packages
    return package


def test_an_installed_rock_is_read() -> None:
    """Its name is of any case; LuaRocks itself, and the purl, have it of lower."""
    rock = record(LUASOCKET)
    assert (rock.type, rock.name, rock.version, rock.purl) == (
        "luarocks",
        "LuaSocket",
        "3.1.0-1",
        "pkg:luarocks/luasocket@3.1.0-1",
    )
    assert (rock.licenses, rock.maintainer) == (("MIT",), 'Caleb "C" Maclennan')


@pytest.mark.parametrize(
    "content",
    [
        "",
        'local v = "1"\npackage = name\nversion = v .. "-1"',
        'local package = "other"\nlocal version = "2"',
        'package = "other" .. x\nversion = "2" .. "-1"',
        'package = "other"\npackage = x',
        'package = "unclosed\nversion = "2"',
        "package = [[unclosed",
        "}}} = = {{{ package = 'deep'",
        "\x00\xff",
    ],
)
def test_the_directories_say_what_only_a_run_could_tell(content: str) -> None:
    """LuaRocks finds a rock by them."""
    rock = record(content)
    assert (rock.name, rock.version, rock.licenses) == ("luasocket", "3.1.0-1", ())


def test_a_rockspec_of_another_rock_is_told() -> None:
    """It is found as what its directories are called."""
    with pytest.raises(PartlyReadError, match="more than one name or version of 'other'") as raised:
        record('package = "other"')
    assert [each.version for each in raised.value.facts[0].packages] == ["3.1.0-1"]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("rocks-5.4/a/1-1/a-1-1.rockspec", True),
        ("usr/lib/luarocks/rocks/a/1-1/a-1-1.rockspec", True),
        ("usr/lib/luarocks/rocks-5.4/a/1-1/rock_manifest", False),
        ("usr/lib/luarocks/rocks-5.4/a/1-1/rocks/more/a.rockspec", False),
        ("srv/a/a-1-1.rockspec", False),
        ("srv/my-rocks/a/1-1/a-1-1.rockspec", False),
    ],
)
def test_installed_ones_are_wanted(path: str, wanted: bool) -> None:
    """The source of a rock has rockspecs too, often of all its versions."""
    assert cataloger.wants(path, 1) is wanted
    assert not cataloger.wants(path, MAX_BYTES + 1)


@pytest.mark.parametrize("word", [b"[[", b'"\\"', b"a='", b"--[[]]", b"{", b"a=", b'a="b"..', b"--", b"[", b"'\n"])
def test_what_it_costs_is_bounded(word: bytes) -> None:
    """Whatever is repeated."""
    assert database_of(cataloger, PATH, word * (MAX_BYTES // 4 // len(word))) is not None
