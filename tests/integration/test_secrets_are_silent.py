"""One secret, planted wherever an image has text: it is found, and nothing that we print, publish or keep has it in it."""

import base64
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
import zstandard

from tests.doubles.daemon import Receiver, RunningDaemon, eventually
from tests.doubles.hooks import deliver, envelope, push_event
from tests.doubles.pushing import attached_verdict, write_layout
from tests.doubles.served_registry import ServedRegistry
from watcher.testing.images import BuiltImage, Entry, build_image, build_layer

# Known by its look wherever it stands; known where a name says so, in a variable; and in a file as well.
PASSWORD = "k9xQ2b7pLw+Zt4"
SECRETS = {"key": ("AKIA" + "3X5QJ7LWNZKD2VTF", "x"), "password": (PASSWORD, "x"), "both": (PASSWORD, f"db_password = {PASSWORD}")}

# Says everything that a rule can read.
POLICY = """
apiVersion: watcher/v1
kind: Policy
metadata: {name: talkative}
rules:
  - id: image
    category: compliance
    action: warn
    when: 'true'
    message: >-
      {{image.config.user}} {{image.config.working_dir}} {{image.config.effective_user}} {{image.config.stop_signal}}
      {{image.platform}} {{image.media_type}} {{image.config.healthcheck}}
      {{image.config.entrypoint.join(" ")}} {{distro.id}} {{distro.name}}
      {{image.config.cmd.join(" ")}} {{image.config.volumes.join(" ")}} {{image.config.shell.join(" ")}}
      {{image.env.map(n, n + image.env[n]).join(" ")}} {{image.labels.map(n, n + image.labels[n]).join(" ")}}
      {{image.annotations.map(n, n + image.annotations[n]).join(" ")}} {{image.history.map(s, s.args).join(" ")}}
      {{image.layers.map(s, s.created_by).join(" ")}}
  - id: files
    category: compliance
    action: warn
    each: files as f
    when: 'f.path.startsWith("/srv")'
    message: '{{f.path}} {{f.link}}'
  - id: packages
    category: compliance
    action: warn
    each: packages as p
    when: 'true'
    message: '{{p.name}} {{p.version}} {{p.maintainer}} {{p.purl}} {{p.path}} {{p.licenses.join(" ")}} {{p.source_name}}'
  - {id: users, category: compliance, action: warn, each: users as u, when: 'true', message: '{{u.name}} {{u.home}} {{u.shell}}'}
  - {id: secrets, category: security, action: fail, each: secrets as s, when: 'true', message: '{{s.path}} {{s.title}}'}
"""


def planted(value: str, content: str) -> BuiltImage:
    """An image that has the value in every text; only in its variables does a name say what it is."""
    base = build_layer(
        {
            "etc/os-release": f'ID=debian\nVERSION_ID="12-{value}"\nNAME="Debian {value}"\n',
            "etc/passwd": f"root:x:0:0:root:/root:/bin/sh\nu{value}:x:1000:1000:{value}:/home/{value}:/bin/{value}\n",
            "var/lib/dpkg/status": f"Package: zlib{value}\nStatus: install ok installed\nArchitecture: {value}\n"
            f"Version: 1-{value}\nSource: src{value}\nMaintainer: {value} <x@example.org>\n\n",
            f"srv/{value}/package.json": json.dumps({"name": f"n{value}", "version": value, "license": value, "author": value}),
            f"srv/node_modules/n{value}/package.json": json.dumps({"name": f"n{value}", "version": value, "license": value}),
            f"srv/{value}.txt": Entry(content=b"x", mode=0o4777),
            f"srv/{'d' * 120}/{value}.txt": Entry(content=b"x", mode=0o4777),
            "srv/link": Entry(link=f"/srv/{value}.txt"),
            f"srv/{value}.d": Entry(directory=True, mode=0o777),
            "srv/app.conf": f"{content}\n",
            f"usr/lib/python3/dist-packages/N{value}.dist-info/METADATA": f"Name: N{value}\nVersion: 1\nLicense: {value}\n\n",
        }
    )
    removal = build_layer({f"srv/.wh.{value}.txt": Entry(), f"srv/{value}.d/.wh..wh..opq": Entry()})
    image = build_image(
        [base, removal],
        config={
            "User": f"u{value}",
            "Env": [f"DB_PASSWORD={value}", f"X_{value}=1", f"Y=a{value}b", f"Z={quote(value, safe='')}"],
            "Entrypoint": ["sh", "-c", f"exec app {value}"],
            "Cmd": ["--password", value, base64.b64encode(value.encode()).decode()],
            "WorkingDir": f"/srv/{value}",
            "Labels": {f"l{value}": "x", "note": f"of {value}"},
            "ExposedPorts": {f"{value}/tcp": {}},
            "Volumes": {f"/data/{value}": {}},
            "StopSignal": value,
            "Shell": ["/bin/sh", value, "-c"],
            "Healthcheck": {"Test": ["CMD-SHELL", f"check {value}"]},
            "OnBuild": [f"RUN x {value}"],
        },
        history=[
            {"created_by": f"RUN |1 TOKEN={value} /bin/bash -o pipefail -c make # buildkit", "comment": value, "author": value},
            {"created_by": f"COPY {value} /srv", "comment": value},
        ],
        annotations={f"a{value}": "x", "note": f"of {value}", "org.opencontainers.image.base.name": f"registry.example/{value}"},
    )
    manifest = json.loads(image.raw)
    manifest["layers"][0]["annotations"] = {"note": value}
    manifest["config"]["annotations"] = {"note": value}
    return replace(image, raw=json.dumps(manifest).encode())


def forms(value: str) -> list[bytes]:
    return [form.encode() for form in (value, quote(value, safe=""), base64.b64encode(value.encode()).decode()[:-2])]


def spoken(value: str, *texts: bytes) -> list[bytes]:
    """What of the texts has the value in it."""
    return [text[max(0, at - 60) : at + 60] for text in texts for form in forms(value) if (at := text.find(form)) >= 0]


def kept(database: Path) -> Iterator[bytes]:
    """Every value of every row, unpacked, and the files themselves."""
    for suffix in ("", "-wal"):
        if (path := database.with_name(database.name + suffix)).exists():
            yield path.read_bytes()
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    content = value if isinstance(value, bytes) else str(value).encode()
                    yield zstandard.decompress(content) if content.startswith(zstandard.FRAME_HEADER) else content


@pytest.mark.parametrize(("value", "content"), SECRETS.values(), ids=SECRETS)
def test_a_daemon_keeps_and_tells_no_value(tmp_path: Path, value: str, content: str) -> None:
    """Not in the referrer, the message, the answers of the API, the database with its write-ahead log, or its own log."""
    registry, receiver = ServedRegistry(), Receiver()
    (tmp_path / "policy.yaml").write_text(POLICY)
    log_format = "json" if "\n" in content else "text"
    config = (
        f'registries: [{{host: "{registry.host}"}}]\n'
        "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
        f"publish: [{{type: referrer}}, {{type: webhook, url: '{receiver.url}', secret: 'env:OUT_SECRET'}}, {{type: log}}]\n"
        f"policies: {{packs: [baseline], path: {tmp_path / 'policy.yaml'}}}\n"
        f"log: {{level: debug, format: {log_format}}}\n"
    )
    daemon = RunningDaemon(directory=tmp_path, config=config, environment={"OUT_SECRET": "out"})
    daemon.start()
    try:
        image = planted(value, content)
        registry.put("team/app", image)
        assert deliver(daemon, envelope(push_event(registry.host, "team/app", image)))[0] == 202
        entry, manifest, verdict = eventually(lambda: attached_verdict(registry.url, "team/app", image.digest), what="a referrer")
        ((_, message),) = eventually(lambda: receiver.requests, what="the message")
        answers = [
            json.dumps(daemon.get(path)).encode()
            for path in (f"/api/v1/images/{image.digest}/inspection", f"/api/v1/images/{image.digest}/verdicts", "/api/v1/images")
        ]
        assert [each["rule"] for each in verdict["findings"] if each["rule"] == "talkative/secrets"]
        assert spoken(value, *(json.dumps(each).encode() for each in (entry, manifest, verdict)), message, *answers) == []
        assert spoken(value, *kept(tmp_path / "watcher.db")) == []
    finally:
        daemon.stop()
        registry.close()
        receiver.close()
    written = daemon.log.read_bytes()
    assert b'"level": "debug"' in written if log_format == "json" else b"[debug" in written
    assert spoken(value, written) == []
    assert spoken(value, *kept(tmp_path / "watcher.db")) == []


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize(("value", "content"), SECRETS.values(), ids=SECRETS)
def test_a_scan_prints_no_value(tmp_path: Path, value: str, content: str, form: str) -> None:
    """In whatever form, nor on its standard error."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    layout = write_layout(tmp_path / "layout", planted(value, content))
    done = subprocess.run(
        [sys.executable, "-m", "watcher", "scan", f"oci:{layout}", "-o", form, "--policy", "policy.yaml", "--pack", "baseline"],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "400"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert spoken(value, done.stdout, done.stderr) == []
