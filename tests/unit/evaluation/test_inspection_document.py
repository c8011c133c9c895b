"""The document that rules read: what an image says, in the names of docs/reference/policy.md."""

import re
from typing import Any

import pytest

from tests.unit.evaluation.conftest import BASE_LAYER, Cases
from watcher.evaluation.document.case import document_of
from watcher.model.build_steps import instruction_of
from watcher.model.digest import Digest
from watcher.model.image import HistoryEntry, ImageConfig
from watcher.model.inventory import Base, Distro, LayerSummary, Secret, SecretHit, User
from watcher.model.verdict import SectionState


def variable(name: str, make_case: Cases, **case: Any) -> Any:
    return document_of(make_case(**case)).variables[name]


def secret_in(where: str, path: str, layer: int | None = None) -> Secret:
    hit = SecretHit(rule="aws", title="", path=path, line=None, fingerprint="f", preview="AK")
    return Secret(hit=hit, where=where, layer=layer, layer_digest=None)


@pytest.mark.parametrize(
    ("created_by", "instruction"),
    [
        ('/bin/sh -c #(nop)  CMD ["bash"]', ("CMD", '["bash"]')),
        ("/bin/sh -c #(nop) ADD file:1 in / ", ("ADD", "file:1 in /")),
        ("/bin/sh -c apt-get update", ("RUN", "apt-get update")),
        ("RUN /bin/sh -c apt-get update # buildkit", ("RUN", "apt-get update")),
        ("RUN |1 VERSION=1 /bin/sh -c make # buildkit", ("RUN", "make")),
        ("|2 A=1 B= /bin/sh -c make", ("RUN", "make")),
        ("COPY . /app # buildkit", ("COPY", ". /app")),
        ("USER app", ("USER", "app")),
        ("USERADD app", ("RUN", "USERADD app")),
        ("bazel build ...", ("RUN", "bazel build ...")),
        ("HEALTHCHECK", ("HEALTHCHECK", "")),
        ("", ("", "")),
    ],
)
def test_build_steps_are_instructions_again(created_by: str, instruction: tuple[str, str]) -> None:
    """Each builder writes its history in its own way."""
    assert instruction_of(created_by) == instruction


def test_the_event_is_the_subject_and_the_tag(make_case: Cases) -> None:
    """All tags that the digest is known by, and the one that was pushed."""
    event = variable("event", make_case, tags=("v1", "latest"), environment="production")
    assert (event.registry, event.repository, event.tag, list(event.tags)) == (
        "registry.example.com",
        "team/app",
        "v1",
        ["v1", "latest"],
    )
    assert (event.environment, event.action) == ("production", "push")


def test_the_configuration_is_read(make_case: Cases) -> None:
    """Ports as numbers, a disabled health check as none, the user behind a number by name."""
    config = ImageConfig(
        os="linux",
        architecture="arm64",
        variant="v8",
        created="2026-01-01T10:00:00.123456789Z",
        user="1000",
        env=("A=b=c", "EMPTY="),
        exposed_ports=("22/tcp", "53/udp", "80", "http/tcp", "99999999999999999999/tcp"),
        healthcheck=("NONE",),
        labels={"maintainer": "me"},
        history=(HistoryEntry(created_by="USER app", empty_layer=True),),
    )
    users = (User(name="root", uid=0, gid=0, home="", shell=""), User(name="app", uid=1000, gid=1000, home="", shell=""))
    image = variable("image", make_case, config=config, users=users)
    assert [(port.number, port.protocol) for port in image.config.exposed_ports] == [
        (22, "tcp"),
        (53, "udp"),
        (80, "tcp"),
        (0, "tcp"),
        (0, "tcp"),
    ]
    assert (image.config.effective_user, image.config.effective_uid, image.config.runs_as_root) == ("app", 1000, False)
    assert (image.config.healthcheck, dict(image.env), dict(image.labels)) == ("", {"A": "b=c", "EMPTY": ""}, {"maintainer": "me"})
    assert (image.os, image.architecture, image.variant, image.created.seconds) == ("linux", "arm64", "v8", 1767261600)
    assert [(step.op, step.args, step.empty_layer) for step in image.history] == [("USER", "app", True)]
    assert (image.dockerfile_mode, image.layer_count, image.layers[0].digest) == ("history", 2, BASE_LAYER)


@pytest.mark.parametrize("created", ["", "yesterday", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00"])
def test_a_creation_time_that_is_none_is_unset(make_case: Cases, created: str) -> None:
    """Builders leave it out, and authors write anything."""
    assert not variable("image", make_case, config=ImageConfig(created=created)).HasField("created")


@pytest.mark.parametrize(
    ("user", "uid", "name"), [("", 0, "root"), ("root:root", 0, "root"), ("4711", 4711, "4711"), ("ghost:x", None, "ghost")]
)
def test_the_effective_user_is_named(make_case: Cases, user: str, uid: int | None, name: str) -> None:
    """A user that the image does not know has no uid, which is not 0."""
    image = variable("image", make_case, config=ImageConfig(user=user), effective_uid=uid)
    assert image.config.effective_user == name
    assert image.config.HasField("effective_uid") is (uid is not None)
    assert image.config.runs_as_root is (uid == 0)


@pytest.mark.parametrize(
    ("reference", "ref", "repository"),
    [
        ("registry.example.com/base/debian:12", "registry.example.com/base/debian:12", "registry.example.com/base/debian"),
        ("debian@sha256:" + "a" * 64, "docker.io/library/debian", "docker.io/library/debian"),
        ("debian", "docker.io/library/debian", "docker.io/library/debian"),
        ("debian:latest", "docker.io/library/debian:latest", "docker.io/library/debian"),
        ("localhost:5000/a", "localhost:5000/a", "localhost:5000/a"),
        ("NOT a name", "NOT a name", ""),
    ],
)
def test_the_base_image_has_a_full_name(make_case: Cases, reference: str, ref: str, repository: str) -> None:
    """Docker's short names are written out, and no tag is claimed that was not named."""
    base = variable("base", make_case, base=Base(known=True, reference=reference, how="layers", layer_count=1))
    assert [(origin.ref, origin.repository) for origin in base.froms] == [(ref, repository)]
    assert (base.known, base.how, base.image.ref, len(base.ancestors)) == (True, "layers", ref, 1)


def test_an_unknown_base_is_a_missing_section(make_case: Cases) -> None:
    """Even where the inspection calls the section complete."""
    document = document_of(make_case(base=Base()))
    assert document.sections["base"].state is SectionState.MISSING


def test_texts_with_secrets_are_not_shown(make_case: Cases) -> None:
    """A variable, a label or a build step in which a secret was found is masked whole, and so is what repeats it elsewhere."""
    config = ImageConfig(
        env=("TOKEN=hunter2-abcdefgh", "URL=https://abcdefgh@host", "A=b"),
        labels={"key": "hunter2", "b": "c"},
        cmd=("serve", "--token=hunter2-abcdefgh"),
        history=(
            HistoryEntry(created_by="COPY . / # buildkit"),
            HistoryEntry(created_by="RUN |1 PW=hunter3 /bin/sh -c curl -u me:hunter3 # buildkit"),
            HistoryEntry(created_by="ENV TOKEN=hunter2-abcdefgh"),
            HistoryEntry(created_by="RUN |1 PW=hunter3 /bin/sh -c make # buildkit"),
        ),
    )
    layers = tuple(
        LayerSummary(digest=Digest("sha256:" + "b" * 64), media_type="", compressed_bytes=1, created_by=step.created_by)
        for step in config.history
    )
    # The value of a variable is not reported again for the step that set it, nor a step's for another.
    secrets = (secret_in("env", "TOKEN"), secret_in("label", "key"), secret_in("history", "step 2"))
    document = document_of(make_case(config=config, layers=layers, secrets=secrets))
    image: Any = document.variables["image"]
    assert not re.search("hunter|abcdefgh", str(image))
    assert (image.env["A"], image.labels["b"], list(image.config.cmd)) == ("b", "c", ["serve", "***"])
    assert [(step.op, step.args) for step in image.history] == [("COPY", ". /"), ("RUN", "***"), ("ENV", "***"), ("RUN", "make")]
    assert [layer.created_by for layer in image.layers] == ["COPY . / # buildkit", "***", "***", "***"]


def test_a_step_that_cannot_be_told_hides_all(make_case: Cases) -> None:
    """Rather too little is shown than a secret."""
    config = ImageConfig(history=(HistoryEntry(created_by="RUN hunter2"), HistoryEntry(created_by="RUN x")))
    image = variable("image", make_case, config=config, secrets=(secret_in("history", "a step"),))
    assert [step.args for step in image.history] == ["***", "***"]


def test_paths_of_files_are_absolute(make_case: Cases) -> None:
    """Those of variables are their names."""
    secrets = document_of(make_case(secrets=(secret_in("file", "root/.aws"), secret_in("env", "TOKEN")))).collections["secrets"]
    assert [getattr(found, "path") for found in secrets] == ["/root/.aws", "TOKEN"]  # noqa: B009 - generated class


def test_any_text_of_an_image_can_be_read(make_case: Cases) -> None:
    """What is not UTF-8 becomes a visible escape; numbers stay within 64 bits."""
    odd = "a\ud800b\x00"
    document = document_of(
        make_case(
            config=ImageConfig(user=odd, env=(odd,), labels={odd: odd}, cmd=(odd,)),
            distro=Distro(id=odd, known=True),
            effective_uid=2**80,
            users=(User(name=odd, uid=2**80, gid=-(2**80), home=odd, shell=odd),),
        )
    )
    image: Any = document.variables["image"]
    assert image.config.user == "a\\ud800b\x00"
    assert image.config.effective_uid == 2**63 - 1
