"""Every text of a configuration and of a manifest is searched, and none is shown with a value in it."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from watcher.inspection.image.config_secrets import config_secrets
from watcher.inspection.image.config_texts import other_texts
from watcher.inspection.secrets.rules import SecretRules
from watcher.model.image import HistoryEntry, ImageConfig
from watcher.model.image_json import parse_config
from watcher.model.masking import masked_config, masking_of

RULES = SecretRules.load(b"salt")
KEY = "AKIA" + "3X5QJ7LWNZKD2VTF"
PASSWORD = "pa55 w0rd/&Q7zK"


def found(document: Any, where: str = "config") -> list[tuple[str, str]]:
    """Where and what, in a document of nothing but this."""
    raw = json.dumps(document).encode()
    config = parse_config(raw) if where == "config" else ImageConfig()
    return [(secret.hit.path, secret.hit.rule) for secret in config_secrets(config, RULES, other_texts(where, raw)).secrets]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"config": {"Entrypoint": ["sh", "-c", f"KEY={KEY} app"]}}, "config.Entrypoint"),
        ({"config": {"Cmd": ["app", "--key", KEY]}}, "config.Cmd"),
        ({"config": {"Cmd": ["app", f"--key={KEY}"]}}, "config.Cmd"),
        ({"config": {"Healthcheck": {"Test": ["CMD-SHELL", f"check {KEY}"]}}}, "config.Healthcheck.Test"),
        ({"config": {"OnBuild": [f"RUN login {KEY}"]}}, "config.OnBuild"),
        ({"config": {"Shell": ["/bin/sh", KEY, "-c"]}}, "config.Shell"),
        ({"config": {"User": KEY}}, "config.User"),
        ({"config": {"WorkingDir": f"/srv/{KEY}"}}, "config.WorkingDir"),
        ({"config": {"StopSignal": KEY}}, "config.StopSignal"),
        ({"config": {"Volumes": {f"/data/{KEY}": {}}}}, "config.Volumes"),
        ({"config": {"ExposedPorts": {KEY: {}}}}, "config.ExposedPorts"),
        ({"config": {"Env": [f"X={KEY}"]}}, "X"),
        ({"config": {"Labels": {"x": KEY}}}, "x"),
        ({"container_config": {"Env": [f"X={KEY}"], "Cmd": ["x"]}}, "container_config.Env"),
        ({"author": KEY}, "author"),
        ({"comment": KEY}, "comment"),
        ({"history": [{"created_by": f"RUN x {KEY}"}]}, "step 1"),
        ({"history": [{}, {"comment": KEY}]}, "history[1].comment"),
        ({"history": [{"author": KEY}]}, "history[0].author"),
        ({"moby.buildkit.x": [[{"deep": [KEY]}]]}, "moby.buildkit.x[0][0].deep"),
        ({"os": KEY}, "os"),
    ],
)
def test_a_key_is_found_wherever_a_configuration_has_text(document: Any, path: str) -> None:
    """In fields that nobody knows as well: they are pulled with the others."""
    assert found(document) == [(path, "aws-access-key-id")]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"annotations": {"note": KEY}}, "annotations.note"),
        ({"annotations": {KEY: "note"}}, "annotations"),
        ({"config": {"annotations": {"note": KEY}}}, "config.annotations.note"),
        ({"layers": [{}, {"annotations": {"note": KEY}}]}, "layers[1].annotations.note"),
        ({"layers": [{"urls": [f"https://h/?k={KEY}"]}]}, "layers[0].urls"),
        ({"artifactType": KEY}, "artifactType"),
    ],
)
def test_a_key_is_found_wherever_a_manifest_has_text(document: Any, path: str) -> None:
    """Its own annotations, and those of what it points to."""
    assert found(document, "manifest") == [(path, "aws-access-key-id")]


@pytest.mark.parametrize(
    "document",
    [
        {"config": {"Env": [f"DB_PASSWORD={PASSWORD}"]}},
        {"config": {"Labels": {"com.example.db-password": PASSWORD}}},
        {"config": {"Cmd": ["app", "--db-password", PASSWORD]}},
        {"config": {"Cmd": ["app", f"--db-password={PASSWORD}"]}},
        {"config": {"Entrypoint": ["env", f"DB_PASSWORD={PASSWORD}", "app"]}},
        {"config": {"Entrypoint": ["sh", "-c", f"DB_PASSWORD='{PASSWORD}' app"]}},
        {"config": {"Healthcheck": {"Test": ["CMD-SHELL", f"curl -f -u 'me:{PASSWORD}' localhost"]}}},
        {"config": {"OnBuild": [f'ENV DB_PASSWORD="{PASSWORD}"']}},
        {"config": {"OnBuild": [f'ENV DB_PASSWORD "{PASSWORD}"']}},
        {"config": {"Labels": {f"password='{PASSWORD}'": "x"}}},
        {"history": [{"created_by": f"/bin/sh -c #(nop)  ENV DB_PASSWORD '{PASSWORD}'"}]},
        {"history": [{"created_by": f'RUN cmd /S /C setx DB_PASSWORD "{PASSWORD}"'}]},
        {"history": [{"created_by": f"RUN /bin/sh -c echo '{PASSWORD}' | docker login -u me --password-stdin r.example"}]},
        {"container_config": {"Env": [f"DB_PASSWORD={PASSWORD}"]}},
        {"history": [{"created_by": f"RUN |1 DB_PASSWORD={PASSWORD} /bin/bash -o pipefail -c make"}]},
        {"history": [{"created_by": f'RUN /bin/sh -c mysql -u root -p"{PASSWORD}" shop'}]},
        {"history": [{"created_by": f'RUN /bin/sh -c echo "root:{PASSWORD}" | chpasswd'}]},
        {"history": [{"created_by": f"RUN /bin/sh -c docker login -u me -p '{PASSWORD}' r.example"}]},
    ],
)
def test_a_password_that_only_its_name_gives_away_is_found_whole(document: Any) -> None:
    """Spaces and quotes do not cut it: its fingerprint is that of the value."""
    raw = json.dumps(document).encode()
    secrets = config_secrets(parse_config(raw), RULES, other_texts("config", raw)).secrets
    assert [secret.hit.fingerprint for secret in secrets] == [RULES.fingerprint(PASSWORD.encode())]


def test_what_the_configuration_says_of_variables_is_said_once() -> None:
    """The step that sets one writes it without quotes; the container of the last step had it too."""
    variable = f"DB_PASSWORD={PASSWORD}"
    document = {
        "config": {"Env": [variable]},
        "container_config": {"Env": [variable]},
        "history": [{"created_by": f"ENV {variable}", "empty_layer": True}],
    }
    assert found(document) == [("DB_PASSWORD", "secret-variable")]


@pytest.mark.parametrize("value", [KEY, "s3cret/Zk+9 x&Q7", "k9xQ2b7pLw"])
def test_a_value_is_shown_nowhere_in_the_configuration(value: str) -> None:
    """In none of its fields, and in none of the forms it may be written in."""
    config = ImageConfig(
        architecture=value,
        os=value,
        variant=value,
        created=value,
        user=f"u{value}:{value}",
        env=(f"DB_PASSWORD={value}", f"N{value}=x", f"X=a-{value}-b", f"Y=https://h/?q={quote(value, safe='')}"),
        entrypoint=("sh", "-c", f"x {value}"),
        cmd=("app", "--password", value, f"--p={base64.b64encode(value.encode()).decode()}"),
        working_dir=f"/srv/{value}",
        exposed_ports=(value,),
        volumes=(f"/data/{value}",),
        labels={value: "x", "a": f"of {value}"},
        healthcheck=("CMD", value),
        stop_signal=value,
        shell=("sh", value),
        diff_ids=(value,),
        history=(HistoryEntry(created_by=f"RUN x {value}", comment=value),),
    )
    secrets = config_secrets(config, RULES)
    shown = repr(masked_config(config, masking_of(config, secrets.secrets, secrets.values)))
    assert not [form for form in (value, quote(value, safe=""), base64.b64encode(value.encode()).decode()[:-2]) if form in shown]
    assert "/srv/***" in shown


def test_a_password_that_is_a_word_hides_only_what_is_said_to_be_one() -> None:
    """`postgres` is a user and a program as well: a policy must still be able to read which user it is."""
    config = ImageConfig(
        env=("POSTGRES_PASSWORD=postgres",), user="postgres", working_dir="/srv/postgres", cmd=("x", "--pass", "postgres")
    )
    secrets = config_secrets(config, RULES)
    shown = masked_config(config, masking_of(config, secrets.secrets, secrets.values))
    assert (shown.env, shown.user, shown.working_dir, shown.cmd) == (
        ("POSTGRES_PASSWORD=***",),
        "postgres",
        "/srv/postgres",
        ("x", "--pass", "***"),
    )


def test_of_a_private_key_all_of_its_text_is_hidden() -> None:
    """The expression that finds it sees no more than its beginning."""
    body = "\n".join(base64.b64encode(bytes(range(first, first + 48))).decode() for first in range(0, 200, 3))
    key = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    config = ImageConfig(cmd=("app", key), working_dir=f"/{key}")
    raw = json.dumps({"config": {"WorkingDir": f"/{key}"}}).encode()
    secrets = config_secrets(config, RULES, other_texts("config", raw))
    assert [secret.hit.rule for secret in secrets.secrets] == ["private-key"]
    assert masked_config(config, masking_of(config, secrets.secrets, secrets.values)).working_dir == "***"


def test_what_is_no_json_has_no_texts() -> None:
    """Whoever reads the document for its fields says so."""
    assert list(other_texts("config", b"{")) == list(other_texts("config", b"[" * 100_000)) == []


def test_a_value_that_was_found_in_an_address_is_hidden_as_it_is_elsewhere() -> None:
    """There it is written with percent signs."""
    value = "p@ss/W0rd#x9"
    config = ImageConfig(env=(f"DB=postgres://u:{quote(value, safe='')}@h/db",), cmd=("app", f"login {value}"))
    secrets = config_secrets(config, RULES)
    assert value not in repr(masked_config(config, masking_of(config, secrets.secrets, secrets.values)))
