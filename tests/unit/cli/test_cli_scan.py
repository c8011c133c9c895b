"""`watcher scan` on images in files and in registries: what is printed, and the exit code."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.advisory_data import advisory_data, at, osv, until
from tests.doubles.attaching import attested, spdx, statement
from tests.doubles.pushing import write_layout
from tests.unit.cli.conftest import Run
from watcher.cli.images import LOCAL, choose_platforms, local_tag, this_machine
from watcher.kit.clock import utc_now
from watcher.model.digest import Digest, digest_of
from watcher.model.errors import NotFoundError
from watcher.model.image import FetchedManifest
from watcher.model.image_json import parse_manifest
from watcher.model.verdict import INSPECTED, SECTIONS
from watcher.registry.layouts import parse_local
from watcher.testing.faults import Fault
from watcher.testing.images import BuiltImage, build_image, build_index, build_layer, put_image
from watcher.testing.registry import MemoryRegistry

# Each starts the process that judges and the one that workers come from.
pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(60)]

POLICY = """\
apiVersion: watcher/v1
kind: Policy
metadata: {name: users, version: 1.0.0}
rules:
  - {id: root, action: fail, when: image.config.runs_as_root, message: runs as root}
  - {id: staging, action: fail, when: 'event.environment == "staging"'}
"""
PASSWD = build_layer({"etc/passwd": "root:x:0:0::/root:/bin/sh\n"})
GOOD = build_image([PASSWD], config={"User": "1000"})
ROOT = build_image([PASSWD], config={"User": "0"})
ROOT_S390X = build_image([PASSWD], config={"User": "0"}, platform="linux/s390x")
GOOD_HERE = build_image([PASSWD], config={"User": "1000"}, platform=this_machine())


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "users.yaml"
    path.write_text(POLICY)
    return path


def scanned(watcher: Run, *arguments: object) -> tuple[int, list[dict[str, Any]]]:
    ended = watcher("scan", "-o", "json", *arguments)
    return ended.code, [json.loads(line) for line in ended.out.splitlines()]


def test_an_image_in_files_is_judged(watcher: Run, policy: Path, tmp_path: Path) -> None:
    """One line with verdict and inspection; pass is 0."""
    layout = write_layout(tmp_path / "My App", GOOD)
    code, (line,) = scanned(watcher, f"oci:{layout}", "--policy", policy, "--environment", "test")
    assert code == 0
    assert line["image"] == f"oci:{layout}"
    verdict = line["verdict"]
    assert (verdict["outcome"], verdict["subject"]["environment"]) == ("pass", "test")
    image = {name: verdict["image"][name] for name in ("registry", "repository", "digest", "platform")}
    assert image == {"registry": LOCAL, "repository": "my-app", "digest": GOOD.digest, "platform": "linux/amd64"}
    assert [policy["name"] for policy in verdict["policies"]] == ["baseline", "users"]
    assert line["inspection"]["digest"] == GOOD.digest
    assert [layer["state"] for layer in line["inspection"]["layers"]] == ["inspected"]
    assert tuple(line["inspection"]["sections"]) == INSPECTED
    assert tuple(verdict["sections"]) == SECTIONS


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (b'"layers"', b'"Layers":[],"layers"', "'Layers'"),
        (b'"size":', b'"size":%d,"x":' % 2**70, "layers[0].size"),
    ],
)
def test_an_ambiguous_image_is_unknown_and_says_why_once(
    old: bytes, new: bytes, named: str, watcher: Run, policy: Path, tmp_path: Path
) -> None:
    """The verdict a daemon would record, in one sentence and not one for each section."""
    layout = write_layout(tmp_path / "app", replace(GOOD, raw=new.join(GOOD.raw.rsplit(old, 1))))
    code, (line,) = scanned(watcher, f"oci:{layout}", "--policy", policy)
    assert (code, line["verdict"]["outcome"]) == (3, "unknown")
    assert line["verdict"]["reason"].startswith("ambiguous-manifest: manifest")
    assert named in line["verdict"]["reason"]
    ended = watcher("scan", f"oci:{layout}", "--policy", policy)
    assert ended.out.count(named.rpartition(".")[2]) == 1
    assert len(ended.out.splitlines()) == 1


def test_a_path_is_read_as_what_lies_there(watcher: Run, policy: Path, tmp_path: Path) -> None:
    """Which is said, unless quiet was asked for; any other command says that it is no image of a registry."""
    write_layout(tmp_path / "app", GOOD)
    ended = watcher("scan", "./app", "--policy", policy)
    assert (ended.code, ended.err) == (0, "watcher: ./app: read as oci:app\n")
    assert watcher("scan", "-q", "./app", "--policy", policy).err == ""
    (tmp_path / "watcher.yaml").write_text("{}\n")
    refused = watcher("verdict", "show", "./app")
    assert (refused.code, "only images of a registry" in refused.err) == (2, True)


def test_a_folder_called_as_an_image_that_is_none_is_pointed_out(
    watcher: Run, registry: MemoryRegistry, policy: Path, tmp_path: Path
) -> None:
    """A name without `./` is an image of a registry, as with docker."""
    name = f"{registry.host}/app"
    write_layout(tmp_path / name, GOOD)
    ended = watcher("scan", name, "--policy", policy)
    assert ended.code == 3
    assert ended.err.endswith(f"; what lies here by that name is ./{name}\n")


def test_an_attested_sbom_is_held_against_the_image(watcher: Run, tmp_path: Path) -> None:
    """Of an index in files, as BuildKit writes it."""
    npm = {f"srv/node_modules/{name}/package.json": json.dumps({"name": name, "version": "1.0.0"}) for name in "ab"}
    image = build_image([PASSWD, build_layer(npm)], config={"User": "1000"})
    index = attested(image, statement(spdx("pkg:npm/a@1.0.0", "pkg:npm/c@1.0.0")))
    _, lines = scanned(watcher, f"oci:{write_layout(tmp_path / 'app', index)}")
    (sbom,) = (line["inspection"]["sbom"] for line in lines if line["inspection"])
    (document,) = sbom["documents"]
    assert (document["source"], document["digest"], document["packages"]) == ("attestation", index.children[1].digest, 2)
    assert (sbom["missing"], [each["purl"] for each in sbom["extra"]]) == (["pkg:npm/b@1.0.0"], ["pkg:npm/c@1.0.0"])


def test_vulnerabilities_are_listed(watcher: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With package, id, severity, installed and fixed version; as rules read them in JSON; by the data beside the configuration."""
    monkeypatch.chdir(tmp_path)
    status = "Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.11-1~deb12u1\n"
    files = {"etc/os-release": "ID=debian\nVERSION_ID=12\n", "var/lib/dpkg/status": status}
    layout = write_layout(tmp_path / "app", build_image([PASSWD, build_layer(files)], config={"User": "1000"}))
    _, (before,) = scanned(watcher, f"oci:{layout}")
    assert before["vulnerabilities"] is None
    assert before["verdict"]["sections"]["vulnerabilities"]["state"] == "not-configured"
    record = osv("DEBIAN-CVE-2023-5363", at("Debian:12", "openssl", *until("3.0.11-1~deb12u2")), upstream=["CVE-2023-5363"])
    advisory_data(tmp_path, record, now=utc_now())
    code, (line,) = scanned(watcher, f"oci:{layout}", "--pack", "vulnerabilities")
    (found,) = line["vulnerabilities"]
    # Nobody knows whether it is exploited: there is no list of what is.
    assert (code, found["id"], found["fix"]["versions"]) == (3, "CVE-2023-5363", ["3.0.11-1~deb12u2"])
    assert {each["rule"]: each["action"] for each in line["verdict"]["findings"]} == {
        "vulnerabilities/known-exploited": "unknown",
        "vulnerabilities/unrated": "warn",
    }
    shown = watcher("scan", f"oci:{layout}").out.splitlines()
    assert [each.split("\t") for each in shown[-2:]] == [
        ["Vulnerabilities: 1 (UNKNOWN: 1)"],
        ["vulnerability", "CVE-2023-5363", "openssl", "UNKNOWN", "3.0.11-1~deb12u1", "3.0.11-1~deb12u2"],
    ]


@pytest.mark.parametrize(("output", "version"), [("cyclonedx", '"specVersion":"1.6"'), ("spdx", '"spdxVersion":"SPDX-2.3"')])
def test_packages_are_written_for_other_tools(output: str, version: str, watcher: Run, policy: Path, tmp_path: Path) -> None:
    """The document alone, and the exit code of the verdict; what cannot be inspected has none, and says why."""
    layout = write_layout(tmp_path / "app", ROOT)
    ended = watcher("scan", "-o", output, f"oci:{layout}", "--policy", policy)
    assert ended.code == 1
    (line,) = ended.out.splitlines()
    assert version in line
    assert ROOT.digest in line


def test_rules_read_the_dockerfile_that_is_given(watcher: Run, tmp_path: Path) -> None:
    """And are left undecided, or out, where there is none."""
    policy, dockerfile = tmp_path / "built.yaml", tmp_path / "Dockerfile"
    policy.write_text(
        POLICY.split("rules:", maxsplit=1)[0]
        + "rules: [{id: pinned, action: fail, when: 'dockerfile.images.exists(i, !i.pinned)'}]"
    )
    dockerfile.write_text("ARG BASE\nFROM $BASE\n")
    scan = ("scan", "-o", "json", f"oci:{write_layout(tmp_path / 'image', GOOD)}", "--policy", policy)
    given = ("--dockerfile", dockerfile, "--build-arg")
    pinned = watcher(*scan, *given, "BASE=debian@" + GOOD.digest)
    codes = [watcher(*scan).code, watcher(*scan, *given, "BASE=debian").code, pinned.code, watcher(*scan, *given[:2]).code]
    assert codes == [3, 1, 0, 3]
    assert json.loads(pinned.out)["verdict"]["data_revision"].startswith("dockerfile:sha256:")


def test_the_worst_of_several_is_the_exit_code(watcher: Run, policy: Path, tmp_path: Path) -> None:
    """In the order they were named, each as a block for people; fail is 1."""
    good, root = write_layout(tmp_path / "good", GOOD), write_layout(tmp_path / "root", ROOT)
    ended = watcher("scan", f"oci:{root}", f"oci:{good}", "--policy", policy)
    assert ended.code == 1
    assert ended.out.index("FAIL") < ended.out.index("runs as root") < ended.out.index(f"oci:{good}")
    assert ended.err == ""
    assert "\x1b" not in ended.out


def test_this_machines_platform_is_judged(watcher: Run, policy: Path, tmp_path: Path) -> None:
    """Of an index the platform that would run here; all with `all`, and the index then has a line of its own, the worst."""
    layout = write_layout(tmp_path / "index", build_index([ROOT_S390X, GOOD_HERE]))
    code, lines = scanned(watcher, f"oci:{layout}", "--policy", policy)
    assert (code, [line["verdict"]["image"]["platform"] for line in lines]) == (0, [this_machine()])
    code, lines = scanned(watcher, f"oci:{layout}", "--policy", policy, "--platform", "all")
    platforms = [(line["verdict"]["image"]["platform"], line["verdict"]["outcome"]) for line in lines]
    assert (code, platforms) == (1, [("linux/s390x", "fail"), (this_machine(), "pass"), (None, "fail")])
    assert [line["inspection"] is None for line in lines] == [False, False, True]


def test_a_platform_that_is_not_there_is_unknown(watcher: Run, policy: Path, tmp_path: Path) -> None:
    """Nothing was looked at, so nothing passes."""
    layout = write_layout(tmp_path / "index", build_index([ROOT_S390X, GOOD_HERE]))
    ended = watcher("scan", f"oci:{layout}", "--platform", "linux/mips64le")
    assert (ended.code, ended.out) == (3, "")
    listed = ", ".join(sorted(["linux/s390x", this_machine()]))
    assert ended.err == f"watcher: oci:{layout}: has no platform linux/mips64le; it has: {listed}\n"


def test_a_damaged_image_is_unknown(watcher: Run, tmp_path: Path) -> None:
    """An error is never a pass and never a fail."""
    layout = write_layout(tmp_path / "damaged", GOOD)
    (layout / "blobs" / "sha256" / PASSWD.digest.partition(":")[2]).write_bytes(b"x" * len(PASSWD.raw))
    code, lines = scanned(watcher, f"oci:{layout}")
    assert code == 3
    assert [line["verdict"]["outcome"] for line in lines] == ["unknown"]


def test_images_of_registries(watcher: Run, policy: Path, registry: MemoryRegistry, tmp_path: Path) -> None:
    """No configuration is needed for a registry on loopback; one that has no such image leaves the others alone."""
    put_image(registry, "team/app", GOOD, "v1")
    good, gone = f"{registry.host}/team/app:v1", f"{registry.host}/team/gone:v1"
    code, (line,) = scanned(watcher, gone, good, "--policy", policy)
    assert code == 3
    assert (line["image"], line["verdict"]["outcome"], line["verdict"]["image"]["tag"]) == (good, "pass", "v1")
    (tmp_path / "watcher.yaml").write_text("environments: [{name: staging, images: ['*/team/*']}]\n")
    assert scanned(watcher, good, "--policy", policy)[0] == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(method="GET", path=".*/blobs/.*", status=404),
        Fault(method="GET", path=".*/blobs/.*", corrupt=True),
        Fault(method="GET", path=".*/(blobs|manifests)/.*", status=200),
        Fault(method="GET", path=".*/blobs/.*", status=200, headers={"Content-Type": "text/html"}, body=b"<b>log in</b>"),
    ],
)
def test_one_wrong_answer_is_no_verdict(fault: Fault, watcher: Run, policy: Path, registry: MemoryRegistry) -> None:
    """Of a store that has no copy yet, of a damaged disk, of a proxy: the registry is asked again."""
    put_image(registry, "team/app", GOOD, "v1")
    registry.faults.add(replace(fault))
    code, (line,) = scanned(watcher, f"{registry.host}/team/app:v1", "--policy", policy)
    assert (code, line["verdict"]["outcome"]) == (0, "pass")


def test_a_registry_that_does_not_answer_is_unknown(watcher: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear line."""
    # A command makes its own clients; waiting as they do would take four seconds.
    monkeypatch.setattr("watcher.registry.client._backoff", lambda _: 0.0)
    ended = watcher("scan", "127.0.0.1:1/team/app:v1")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("watcher: 127.0.0.1:1/team/app:v1: GET 127.0.0.1:1/v2/team/app/manifests/v1: ")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("oci:nowhere",),
        ("UPPER/case",),
        ("oci:",),
        ("a", "--platform", "amd64"),
        ("a", "--policy", "nowhere"),
        ("a", "--pack", "none"),
        ("a", "-c", "nowhere.yaml"),
        ("a", "--dockerfile", "nowhere"),
        ("a", "--build-arg", "A=1"),
        ("a", "b", "--dockerfile", __file__),
        ("a", "--dockerfile", __file__),
    ],
)
def test_usage_errors(watcher: Run, arguments: tuple[str, ...]) -> None:
    """Exit code 2, something on stderr, nothing on stdout."""
    ended = watcher("scan", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err


@pytest.mark.parametrize(
    ("text", "repository", "tag"),
    [
        ("oci:/tmp/My App_2:1.2", "my-app-2", "1.2"),
        ("oci-archive:build/app.tar", "app", None),
        ("docker-archive:app.tar.gz:team/app:v1", "app", "v1"),
        ("oci:/tmp/___", "image", None),
        ("oci:/tmp/x:team/app", "x", None),
    ],
)
def test_names_of_local_images(text: str, repository: str, tag: str | None) -> None:
    """What lies in files has a valid name for policies, whatever the files are called."""
    image = parse_local(text)
    assert image is not None
    assert (image.repository, local_tag(image)) == (repository, tag)


def test_variants_belong_to_their_platform() -> None:
    """`linux/arm64` means `linux/arm64/v8` too; a machine without an image of its own gets all."""
    index = fetched(build_index([build_image(platform="linux/arm64/v8"), build_image(platform="linux/amd64")]))
    assert list(map(choose_platforms(index, None, "aarch64"), ["linux/arm64/v8", "linux/amd64"])) == [True, False]
    assert list(map(choose_platforms(index, "linux/amd64"), ["linux/arm64/v8", "linux/amd64"])) == [False, True]
    assert list(map(choose_platforms(index, None, "riscv64"), ["linux/arm64/v8", "linux/amd64"])) == [True, True]
    with pytest.raises(NotFoundError):
        choose_platforms(index, "linux/arm")


def fetched(image: BuiltImage) -> FetchedManifest:
    digest: Digest = digest_of(image.raw)
    return FetchedManifest(
        digest=digest, media_type=image.media_type, raw=image.raw, content=parse_manifest(image.raw, image.media_type)
    )
