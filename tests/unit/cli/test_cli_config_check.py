"""`watcher config check` says what `watcher run` would refuse, in the same words."""

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.doubles.certificates import Authority
from tests.doubles.databases import open_database
from tests.unit.cli.conftest import Run

pytestmark = pytest.mark.enable_socket

GOOD = """\
registries: [{host: a.example}]
sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: "env:HOOK_SECRET"}}]
publish: [{type: log}]
"""
# One file, a mistake in each of its parts.
BAD = """\
registries:
- {host: a.example, ca_file: gone/ca.pem, auth: {type: basic, username: x, password: "env:UNSET_1"}}
- {host: b.example, proxy: "env:UNSET_2", client_cert: {cert: gone.pem, key: gone.pem}}
- {host: c.example, api_token: "file:empty"}
sources:
- {name: a, type: webhook, registry: a.example, auth: {type: bearer, secret: "env:UNSET_3", previous_secret: "file:gone/before"}}
- {name: b, type: pubsub, registry: a.example, subscription: projects/p/subscriptions/s, credentials_file: gone/gcp.json}
- {name: c, type: mqtt, registry: a.example, host: broker.example, topic: a/b, ca_file: gone/mqtt.pem}
server: {tls: {cert: watcher.yaml, key: gone/tls.key}}
store: {url: "sqlite:///gone/watcher.db"}
policies: {packs: [basline], path: gone}
publish:
- {type: referrer, sign_with: "file:watcher.yaml"}
- {type: notify, urls: ["env:UNSET_4", "env:NO_SERVICE"]}
admission: {token: "env:UNSET_5"}
"""
FOUND = [
    "2:30: registries[0].ca_file: registry a.example: ca_file gone/ca.pem cannot be read",
    "2:86: registries[0].auth.password: environment variable UNSET_1 is not set",
    "3:3: registries[1]: registry b.example: client_cert gone.pem and its key gone.pem cannot be read as PEM",
    "3:28: registries[1].proxy: environment variable UNSET_2 is not set",
    "4:32: registries[2].api_token: file:empty: the file is empty",
    "6:78: sources[0].auth.secret: environment variable UNSET_3 is not set",
    "6:110: sources[0].auth.previous_secret: file:gone/before: cannot be read: No such file or directory",
    "7:108: sources[1].credentials_file: credentials_file gone/gcp.json: No such file or directory",
    "8:89: sources[2].ca_file: gone/mqtt.pem: no such file",
    "9:41: server.tls.key: gone/tls.key: cannot be read: No such file or directory",
    "10:14: store.url: store gone/watcher.db: ",
    "11:12: policies.packs: no pack 'basline'",
    "11:36: policies.path: gone: no such file or folder",
    "13:31: publish[0].sign_with: file:watcher.yaml: ",
    "14:25: publish[1].urls[0]: environment variable UNSET_4 is not set",
    "14:40: publish[1].urls[1]: publisher notify-2: what env:NO_SERVICE holds is no URL of a service",
    "15:20: admission.token: environment variable UNSET_5 is not set",
]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine plays a part."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("HOOK_SECRET", "hush-hush")
    monkeypatch.setenv("NO_SERVICE", "hidden-word")


def test_everything_that_run_would_refuse_is_found_at_once(watcher: Run) -> None:
    """One line for each mistake, in the order of the file, with its place and its key; `run` says the same."""
    Path("watcher.yaml").write_text(BAD)
    Path("empty").touch()
    checked = watcher("config", "check")
    lines = checked.err.splitlines()
    assert [wanted for wanted in FOUND if f"watcher: watcher.yaml:{wanted}" not in checked.err] == []
    assert len(lines) == len(FOUND)
    assert "hidden-word" not in checked.err
    assert (checked.code, checked.out) == (2, "")
    assert watcher("run") == checked
    as_json = watcher("config", "check", "-o", "json")
    assert (as_json.code, as_json.err) == (2, "")
    assert json.loads(as_json.out)["problems"] == [line.removeprefix("watcher: ") for line in lines]


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("store: {url: 'mysql://h/d'}", "4:14: store.url: mysql is not supported by this version"),
        ("store: {url: 'env:UNSET'}", "4:14: store.url: environment variable UNSET is not set"),
        ("store: {url: 'sqlite:///nothing.txt'}", "4:14: store.url: store nothing.txt: the database file is damaged"),
        ("store: {url: 'sqlite:///folder'}", "4:14: store.url: store folder: is no file"),
        ("store: {url: 'sqlite:///others.db'}", "4:14: store.url: store others.db holds the tables of another program (t)"),
        ("store: {url: 'sqlite:///newer.db'}", "4:14: store.url: store newer.db was written by a newer version"),
        ("server: {tls: {cert: nothing.txt, key: nothing.txt}}", "4:10: server.tls: nothing.txt and nothing.txt are no cert"),
        ("server: {port: 70000}", "4:16: server.port: expected 65535 at most, found 70000"),
        ("policies: {path: policies}", "policies/p.yaml:5:33: "),
        ("policies: {path: folder}", "4:18: policies.path: folder: no document in it"),
        ("policies: {lists: {trusted: []}}", "policies.lists: no pack has a list 'trusted'"),
    ],
)
def test_run_refuses_in_the_words_of_config_check(watcher: Run, written: str, sentence: str) -> None:
    """Whatever it is, it is found beforehand."""
    Path("watcher.yaml").write_text(f"{GOOD}{written}\n")
    Path("folder").mkdir()
    Path("nothing.txt").write_text("nothing of use " * 100)
    Path("policies").mkdir()
    Path("policies/p.yaml").write_text(
        "apiVersion: watcher/v1\nkind: Policy\nmetadata: {name: p}\nrules:\n- {id: a, title: a, when: 'image.no_such == 1'}\n"
    )
    with closing(sqlite3.connect("others.db")) as others:
        others.execute("CREATE TABLE t (a)")
    asyncio.run(newer_store())
    before = set(Path().rglob("*"))
    checked = watcher("config", "check")
    assert (checked.code, checked.out) == (2, "")
    assert sentence in checked.err
    assert len(checked.err.splitlines()) == 1
    assert set(Path().rglob("*")) <= before
    assert watcher("run") == checked


NO_FILES = """\
ca_file: ./fifo
registries:
- {host: a.example, ca_file: ./fifo}
- {host: b.example, client_cert: {cert: ./fifo, key: ./fifo}, api_token: "file:./fifo"}
sources:
- {name: a, type: pubsub, registry: a.example, subscription: projects/p/subscriptions/s, credentials_file: ./fifo}
- {name: b, type: mqtt, registry: a.example, host: broker.example, topic: a/b, ca_file: ./fifo}
server: {tls: {cert: ./fifo, key: ./fifo}}
policies: {path: ./fifo}
publish:
- {type: pubsub, topic: projects/p/topics/t, credentials_file: ./fifo}
"""


def test_what_is_no_file_is_refused_and_not_waited_for(watcher: Run) -> None:
    """A FIFO that nobody writes to, wherever a file may be named."""
    os.mkfifo("fifo")
    Path("watcher.yaml").write_text(NO_FILES)
    checked = watcher("config", "check", "-q")
    keys = [line.split(": ")[2] for line in checked.err.splitlines()]
    assert keys == [
        "ca_file",
        "registries[0].ca_file",
        "registries[1].client_cert.cert",
        "registries[1].api_token",
        "sources[0].credentials_file",
        "sources[1].ca_file",
        "server.tls.cert",
        "policies.path",
        "publish[0].credentials_file",
    ]
    assert checked.code == 2


def test_a_control_character_in_a_path_is_refused(watcher: Run) -> None:
    """At its place, and not where the file would be opened."""
    Path("watcher.yaml").write_text('ca_file: "a\\0b"\n')
    checked = watcher("config", "check")
    assert "watcher.yaml:1:10: ca_file: control character U+0000" in checked.err
    assert (checked.code, watcher("run")) == (2, checked)


async def newer_store() -> None:
    async with open_database(Path("newer.db")):
        pass
    with closing(sqlite3.connect("newer.db")) as newer, newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")


def test_a_good_file_is_said_to_be_good(watcher: Run) -> None:
    """What it comes to is listed, nothing is made, and stderr is empty."""
    Path("watcher.yaml").write_text(GOOD)
    checked = watcher("config", "check")
    assert (checked.code, checked.err) == (0, "")
    assert checked.out.startswith("watcher.yaml: good: ")
    assert sorted(path.name for path in Path().iterdir()) == ["watcher.yaml"]
    told = json.loads(watcher("config", "check", "-o", "json").out)
    assert (told["problems"], told["warnings"], told["registries"]) == ([], [], ["a.example"])
    Path("watcher.yaml").write_text("registries: 7\n")
    (problem,) = json.loads(watcher("config", "check", "-o", "json").out)["problems"]
    assert problem.startswith("watcher.yaml:1:13: ")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_an_empty_file_is_said(watcher: Run, text: str) -> None:
    """The daemon would begin and hear of nothing, which is seldom what was meant."""
    Path("watcher.yaml").write_text(text)
    checked = watcher("config", "check")
    assert checked.code == 0
    assert [line.partition("yaml: ")[2].split(":")[0] for line in checked.err.splitlines()] == [
        "the file is empty, so that everything is as the defaults have it",
        "nothing will be heard",
        "nobody will be told",
    ]


def test_a_daemon_without_sources_is_said(watcher: Run, tmp_path: Path) -> None:
    """Damaged advisories neither keep it from beginning."""
    Path("watcher.yaml").write_text("registries: [{host: a.example}]\npublish: [{type: log}]\nadvisories: {path: data.db}\n")
    (tmp_path / "data.db").write_text("nothing of use " * 100)
    checked = watcher("config", "check")
    assert checked.code == 0
    assert "watcher: warning: watcher.yaml: nothing will be heard" in checked.err
    assert watcher("-q", "config", "check").err == ""
    assert "watcher: warning: watcher.yaml:3:20: advisories.path: data.db: no advisory data of ours" in checked.err


def test_a_folder_in_place_of_advisories_is_said(watcher: Run) -> None:
    """The daemon begins without them, and what needs them is unknown."""
    Path("watcher.yaml").write_text(f"{GOOD}advisories: {{path: data.db}}\n")
    Path("data.db").mkdir()
    checked = watcher("config", "check")
    assert checked.code == 0
    assert "warning: watcher.yaml:4:20: advisories.path: data.db: is no file" in checked.err


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("dangling.db", "gone is not there; the store needs a folder that the watcher may write"),
        ("loop.db", "loop.db cannot be read: Too many levels of symbolic links"),
        ("n" * 300, "cannot be read: File name too long"),
        ("n" * 252, "cannot be read: File name too long"),
        ("log.db", "log.db-wal is no file"),
        ("index.db", "index.db-shm is no file"),
        ("journal.db", "journal.db-journal is no file"),
        ("linked.db", "elsewhere/real.db-wal is no file"),
        ("locked.db", "locked.db.lock is no file"),
        ("nowhere.db", "gone is not there; the store needs a folder that the watcher may write"),
    ],
)
def test_a_store_that_cannot_be_begun_is_said(watcher: Run, store: str, said: str) -> None:
    """Whatever is in the way: of the file itself, of what SQLite keeps beside it, of the lock."""
    Path("dangling.db").symlink_to("gone/x.db")
    Path("loop.db").symlink_to("loop.db")
    Path("linked.db").symlink_to("elsewhere/real.db")
    Path("nowhere.db.lock").symlink_to("gone/x.lock")
    for folder in ("log.db-wal", "index.db-shm", "journal.db-journal", "elsewhere/real.db-wal", "locked.db.lock"):
        Path(folder).mkdir(parents=True)
    Path("watcher.yaml").write_text(f'{GOOD}store: {{url: "sqlite:///{store}"}}\n')
    checked = watcher("config", "check")
    assert checked.code == 2
    assert f"watcher.yaml:4:14: store.url: store {store}: " in checked.err
    assert said in checked.err


def test_a_link_to_where_the_store_can_be_made_is_good(watcher: Run) -> None:
    """The daemon makes the file there, and the lock here."""
    Path("elsewhere").mkdir()
    Path("watcher.db").symlink_to("elsewhere/real.db")
    Path("watcher.yaml").write_text(GOOD)
    assert watcher("config", "check").code == 0
    assert [path.name for path in Path("elsewhere").iterdir()] == []


@pytest.mark.parametrize("name", ["a/b", "a b", "..", "ä"])
def test_a_source_whose_hook_nobody_could_reach_is_refused(watcher: Run, name: str) -> None:
    """Its name is a part of the path."""
    Path("watcher.yaml").write_text(GOOD.replace("{type: webhook", f'{{name: "{name}", type: webhook'))
    checked = watcher("config", "check")
    assert checked.code == 2
    assert "watcher.yaml:2:18: sources[0].name: " in checked.err
    assert "is not a name of letters, digits, dots, hyphens and underscores" in checked.err


@pytest.mark.parametrize(
    ("server", "hook"),
    [
        ('host: "::1"', "http://[::1]:8080/hooks/distribution"),
        ("tls: {cert: own.pem, key: own.key.pem}", "https://127.0.0.1:8080/hooks/distribution"),
        ('public_url: "https://w.example.com/"', "https://w.example.com/hooks/distribution"),
    ],
)
def test_a_hook_is_where_it_is_reached(watcher: Run, server: str, hook: str) -> None:
    """With the scheme that the server speaks, and the name that others use where there is one."""
    Authority(Path()).issue("own")
    Path("watcher.yaml").write_text(f"{GOOD}server: {{{server}}}\n")
    told = json.loads(watcher("config", "check", "-o", "json").out)
    assert told["problems"] == []
    assert told["sources"][0]["url"] == hook
    assert f" at {hook}\n" in watcher("config", "check").out


@pytest.mark.parametrize(
    ("auth", "key", "spoken"),
    [
        ("{type: bearer, secret: 'file:secret'}", "secret", True),
        ("{type: path-token, secret: 'file:secret'}", "secret", True),
        ("{type: basic, username: x, password: 'file:secret'}", "password", False),
    ],
)
def test_a_secret_that_no_header_can_hold_is_refused(watcher: Run, auth: str, key: str, spoken: bool) -> None:
    """As one of two lines, or with the end of a line of another system; a password is sent in another form."""
    Path("secret").write_bytes(b"first-" + b"x" * 32 + b"\r\n")
    Path("watcher.yaml").write_text(
        "registries: [{host: a.example}]\n"
        f"sources: [{{type: webhook, dialect: generic, mapping: {{image: $.i}}, auth: {auth}}}]\n"
        "publish: [{type: log}]\n"
    )
    checked = watcher("config", "check")
    assert checked.code == (2 if spoken else 0)
    assert (f"sources[0].auth.{key}: file:secret: holds the control character U+000D, which no header" in checked.err) is spoken
    assert "first-" not in checked.err


def test_a_short_token_is_said(watcher: Run) -> None:
    """It is all that keeps strangers out."""
    Path("short").write_text("x" * 31)
    Path("long").write_text("x" * 32)
    Path("watcher.yaml").write_text(
        GOOD.replace("type: bearer", "type: path-token").replace("env:HOOK_SECRET", 'file:long", previous_secret: "file:short')
    )
    checked = watcher("config", "check")
    assert checked.code == 0
    assert checked.err == (
        "watcher: warning: watcher.yaml:2:113: sources[0].auth.previous_secret: file:short: shorter than 32 characters,"
        " and nothing else keeps strangers out\n"
    )


def test_an_environment_that_no_image_is_of_is_said(watcher: Run) -> None:
    """Admission would find no verdict for it."""
    environments = "environments: [{name: production, images: ['**']}]\n"
    Path("watcher.yaml").write_text(f"{GOOD}{environments}admission: {{environment: prodution}}\n")
    checked = watcher("config", "check")
    assert checked.code == 0
    assert checked.err == (
        "watcher: warning: watcher.yaml:5:26: admission.environment: no image is of 'prodution', which is none of `environments`;"
        " did you mean 'production'?\n"
    )
    Path("watcher.yaml").write_text(f"{GOOD}{environments}admission: {{environment: production}}\n")
    assert watcher("config", "check").err == ""


def test_two_environments_of_one_name_are_refused(watcher: Run) -> None:
    """Of which one an image is nobody could tell."""
    Path("watcher.yaml").write_text(f"{GOOD}environments: [{{name: a, images: [b]}}, {{name: a, images: [c]}}]\n")
    checked = watcher("config", "check")
    assert checked.code == 2
    assert "watcher.yaml:4:47: environments[1].name: two environments are named 'a'" in checked.err


def test_a_variable_that_is_empty_is_said_to_be(watcher: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "")
    Path("watcher.yaml").write_text(GOOD)
    assert "environment variable HOOK_SECRET is empty; env:HOOK_SECRET needs it" in watcher("config", "check").err


def test_what_is_no_regular_file_is_said(watcher: Run) -> None:
    """As what a shell has for `<(…)`: it could be read only once."""
    os.mkfifo("fifo")
    assert watcher("config", "check", "-c", "fifo").err == "watcher: fifo: is no regular file\n"
    assert watcher("config", "check", "-c", "gone").err == "watcher: gone: no such file\n"


def test_that_no_policy_is_in_force_is_said(watcher: Run) -> None:
    """Whatever is pushed then comes to the same."""
    Path("watcher.yaml").write_text(f"{GOOD}policies: {{packs: [], on_no_match: pass}}\n")
    checked = watcher("config", "check")
    assert checked.code == 0
    assert checked.err == (
        "watcher: warning: watcher.yaml:4:1: policies: no policy is in force, so that every image is pass (`on_no_match`)\n"
    )


def test_doctor_says_the_same_and_goes_on(watcher: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step for each problem, and the others are taken all the same."""
    Path("watcher.yaml").write_text(f"{GOOD}store: {{url: 'sqlite:///gone/watcher.db'}}\nserver: {{port: 0}}\n")
    monkeypatch.delenv("HOOK_SECRET")
    ended = watcher("doctor", "-o", "json")
    steps = [json.loads(line) for line in ended.out.splitlines()]
    problems = [step["detail"] for step in steps if step["area"] == "configuration" and step["result"] == "failed"]
    checked = watcher("config", "check")
    assert [f"watcher: {each}" for each in problems] == checked.err.splitlines()
    assert len(problems) == 2
    assert {"watcher", "registry", "source", "publisher"} <= {step["area"] for step in steps}
