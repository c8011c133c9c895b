"""Archives of the JVM: what they are, what they hold, and what cannot be read of them."""

import random

import pytest

from tests.doubles.archives import jar, manifest, pom_properties
from tests.doubles.cataloging import facts_of
from watcher.inspection.catalogers.jvm import MAX_DEPTH, JvmCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, PartlyReadError, asked
from watcher.model.inventory import PackageRecord

cataloger = JvmCataloger()
MANIFEST = "META-INF/MANIFEST.MF"


def records(path: str, content: bytes) -> tuple[PackageRecord, ...]:
    return tuple(each for database in facts_of(cataloger, path, content) for each in database.packages)


def found(path: str, content: bytes) -> set[tuple[str, str, str]]:
    return {(each.name, each.version, each.place) for each in records(path, content)}


def partly(path: str, content: bytes) -> tuple[str, set[tuple[str, str]]]:
    """What is said of it, and what was found all the same."""
    with pytest.raises(PartlyReadError) as error:
        facts_of(cataloger, path, content)
    return str(error.value), {(each.name, each.version) for database in error.value.facts for each in database.packages}


def maven(group: str, artifact: str, version: str) -> dict[str, bytes]:
    return {f"META-INF/maven/{group}/{artifact}/pom.properties": pom_properties(group, artifact, version)}


GUAVA = jar(maven("com.google.guava", "guava", "32.1.3-jre"))


def test_what_maven_left_in_it() -> None:
    """Group and artifact are the name, which is what advisories have."""
    (package,) = records("app/guava-32.1.3-jre.jar", GUAVA)
    assert (package.type, package.name, package.version) == ("maven", "com.google.guava:guava", "32.1.3-jre")
    assert package.purl == "pkg:maven/com.google.guava/guava@32.1.3-jre"
    assert package.place == ""


def test_archives_within_archives_have_a_place() -> None:
    """The path within the outermost one; the outermost itself has none."""
    inner = jar({"META-INF/lib/guava.jar": GUAVA, MANIFEST: manifest(Implementation_Version="1.1")}, stored=True)
    content = jar({"WEB-INF/lib/plugin-1.1.jar": inner, **maven("com.example", "shop", "3.0")})
    assert found("srv/shop.war", content) == {
        ("com.example:shop", "3.0", ""),
        ("plugin:plugin", "1.1", "WEB-INF/lib/plugin-1.1.jar"),
        ("com.google.guava:guava", "32.1.3-jre", "WEB-INF/lib/plugin-1.1.jar!/META-INF/lib/guava.jar"),
    }


def test_the_same_library_in_two_places_is_two() -> None:
    """Each is to be updated where it is."""
    content = jar({"lib/a/guava.jar": GUAVA, "lib/b/guava.jar": GUAVA})
    assert {place for _, _, place in found("app.ear", content)} == {"lib/a/guava.jar", "lib/b/guava.jar"}


@pytest.mark.parametrize("suffix", ["jar", "JAR", "War", "lpkg", "hpi", "rar", "KAR"])
def test_archives_are_known_by_their_suffix(suffix: str) -> None:
    """In whatever case it is written."""
    path = f"opt/x.{suffix}"
    assert list(asked([cataloger], path)) == [cataloger]
    assert cataloger.wants(path, len(GUAVA))
    assert found(path, GUAVA) == {("com.google.guava:guava", "32.1.3-jre", "")}


def test_libraries_that_were_shaded_into_it() -> None:
    """Each with a pom.properties is a package; the one called like the file is the archive itself."""
    content = jar(maven("org.a", "agent", "1.0") | maven("com.google.guava", "guava", "30.0-jre") | maven("org.b", "b", "2"))
    assert [(each.name, each.version) for each in records("agent-1.0.jar", content)] == [
        ("org.a:agent", "1.0"),
        ("com.google.guava:guava", "30.0-jre"),
        ("org.b:b", "2"),
    ]


def test_what_maven_left_counts_before_the_name_of_a_bundle() -> None:
    """Which is often shorter."""
    fields = manifest(Created_By="Apache Maven Bundle Plugin", Bundle_SymbolicName="org.eclipse.jetty.io", Bundle_Version="9.4")
    content = jar(maven("org.eclipse.jetty", "jetty-io", "9.4") | {MANIFEST: fields})
    assert found("jetty-io-9.4.jar", content) == {("org.eclipse.jetty:jetty-io", "9.4", "")}


def test_an_archive_that_was_renamed() -> None:
    """Is what it says, and nothing by its new name."""
    content = jar(maven("com.example", "shop", "3.0") | {MANIFEST: manifest(Implementation_Version="3.0")})
    assert found("app.jar", content) == {("com.example:shop", "3.0", "")}


def test_an_archive_with_the_version_of_another_than_is_in_it() -> None:
    """As Debian's guice.jar has cglib in it: what is described was shaded, and the archive is what its manifest says."""
    stated = manifest(Bundle_SymbolicName="com.google.inject", Bundle_Version="4.2.3")
    content = jar(maven("cglib", "cglib", "3.2.12") | {MANIFEST: stated})
    assert {(name, version) for name, version, _ in found("guice.jar", content)} == {
        ("com.google.inject:guice", "4.2.3"),
        ("cglib:cglib", "3.2.12"),
    }
    stated = manifest(Bundle_Version="3.2.12.v20240101")
    content = jar(maven("cglib", "cglib", "3.2.12") | {MANIFEST: stated})
    assert {name for name, _, _ in found("app.jar", content)} == {"cglib:cglib"}


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        ("spring-core-5.3.20.jar", {"Implementation_Title": "spring-core"}, ("org.springframework:spring-core", "5.3.20")),
        ("spring-boot-starter-web-2.7.0.jar", {}, ("org.springframework.boot:spring-boot-starter-web", "2.7.0")),
        ("bcprov-jdk15on-1.70.jar", {}, ("org.bouncycastle:bcprov-jdk15on", "1.70")),
        ("groovy-4.0.2.jar", {}, ("org.apache.groovy:groovy", "4.0.2")),
        ("groovy-2.5.14.jar", {}, ("org.codehaus.groovy:groovy", "2.5.14")),
        ("commons-x-1.2.jar", {"Implementation_Vendor_Id": "org.apache.commons"}, ("org.apache.commons:commons-x", "1.2")),
        (
            "jackson-x-2.9.jar",
            {"Bundle_SymbolicName": "com.fasterxml.jackson-x;singleton:=true"},
            ("com.fasterxml:jackson-x", "2.9"),
        ),
        ("tomcat-api-10.jar", {"Bundle_SymbolicName": "org.apache.tomcat-api"}, ("org.apache.tomcat:tomcat-api", "10")),
        ("netty-x-4.1.jar", {"Automatic_Module_Name": "io.netty.x"}, ("io.netty:netty-x", "4.1")),
        ("run-1.jar", {"Main_Class": "org.example.cli.Run"}, ("org.example.cli:run", "1")),
        ("commons-io-2.0.jar", {"Implementation_Vendor_Id": "org.apache"}, ("commons-io:commons-io", "2.0")),
        ("jffi-1.3.9-native.jar", {}, ("jffi:jffi", "1.3.9")),
        ("solr-4.10.4.war", {"Extension_Name": "org.apache.solr"}, ("org.apache.solr:solr", "4.10.4")),
        ("log4j-1.2-api-2.17.jar", {"Implementation_Version": "2.17"}, ("log4j-1.2-api:log4j-1.2-api", "2.17")),
        ("netty-x-4.1.9.Final-linux-x86_64.jar", {}, ("netty-x:netty-x", "4.1.9.Final")),
        ("commons-y-1.2.jar", {}, ("commons-y:commons-y", "1.2")),
        ("y.jar", {"Implementation_Version": "1.2", "Bundle_Version": "1.2.0"}, ("y:y", "1.2")),
        ("y.jar", {"Specification_Version": "7"}, ("y:y", "7")),
        ("1y.jar", {"Bundle_Name": "why", "Bundle_Version": "1"}, ("why:why", "1")),
        (
            "l.jar",
            {"Created_By": "Apache Maven Bundle Plugin", "Bundle_SymbolicName": "org.a.logging", "Bundle_Version": "1"},
            ("org.a:logging", "1"),
        ),
    ],
)
def test_what_the_manifest_and_the_file_name_say(path: str, fields: dict[str, str], expected: tuple[str, str]) -> None:
    """Where Maven left nothing: the artifact by the file's name, its group by what is known of it or by the manifest."""
    (package,) = records(f"opt/{path}", jar({MANIFEST: manifest(**fields)}))
    assert (package.name, package.version) == expected


def test_licences_and_vendor_as_they_are_written() -> None:
    """Of the manifest, or of the POM."""
    fields = manifest(Bundle_License="https://www.apache.org/licenses/LICENSE-2.0.txt", Bundle_Vendor="ASF")
    (package,) = records("a-1.jar", jar({MANIFEST: fields}))
    assert (package.licenses, package.maintainer) == (("https://www.apache.org/licenses/LICENSE-2.0.txt",), "ASF")
    pom = b"<project><licenses><license><name>EPL 2.0</name></license><license><url>u</url></license></licenses></project>"
    (package,) = records("a-1.jar", jar(maven("g", "a", "1") | {"META-INF/maven/g/a/pom.xml": pom}))
    assert package.licenses == ("EPL 2.0", "u")


def test_a_pom_alone() -> None:
    """What it does not say itself its parent does."""
    pom = b"<project xmlns='m'><parent><groupId>g</groupId><version>7</version></parent><artifactId>a</artifactId></project>"
    assert found("a.jar", jar({"META-INF/maven/g/a/pom.xml": pom})) == {("g:a", "7", "")}


def test_poms_without_properties_are_packages_too() -> None:
    """Each says as much; one beside properties only adds to them."""
    pom = b"<project><groupId>g</groupId><artifactId>%s</artifactId><version>7</version></project>"
    poms = {f"META-INF/maven/g/{name}/pom.xml": pom % name.encode() for name in ("a", "b")}
    assert found("x.jar", jar(poms | maven("g", "a", "8"))) == {("g:a", "8", ""), ("g:b", "7", "")}


@pytest.mark.untraced
def test_what_is_described_too_often_does_not_hide_others() -> None:
    """What is not read any more is said, even if all that was read is the same."""
    one = jar(maven("g", "a", "1"), stored=True)
    said, packages = partly("a.jar", one[: one.index(b"PK\x01\x02")] * 50_001 + jar(maven("g", "b", "1")))
    assert "describes more than" in said
    assert packages == {("g:a", "1")}


def test_a_manifest_is_folded() -> None:
    """Lines of 72 bytes, in whatever way they end; only the main section counts."""
    content = b"implementation-version: 1.2\n .3\n\nName: other\nImplementation-Version: 9\n"
    for end in (b"\n", b"\r\n", b"\r"):
        assert found("a.jar", jar({MANIFEST: content.replace(b"\n", end)})) == {("a:a", "1.2.3", "")}


def test_an_archive_without_a_version_is_no_package() -> None:
    """Nor one that has nothing in it."""
    assert records("app.jar", jar({"a.class": b""})) == ()
    assert records("app.jar", jar({})) == ()


@pytest.mark.parametrize("path", ["a.jar", "b.WAR"])
def test_what_is_called_a_jar_and_is_no_zip_is_damaged(path: str) -> None:
    """What it may have held is not known; an empty file holds nothing."""
    with pytest.raises(DamagedDatabaseError, match="no zip"):
        facts_of(cataloger, path, b"version https://git-lfs.github.com/spec/v1\n")
    assert facts_of(cataloger, path, b"") == ()


@pytest.mark.parametrize("content", [b"Rar!\x1a\x07\x01\x00" + bytes(100), b"Kuwahara"])
def test_suffixes_that_others_use_too(content: bytes) -> None:
    """A RAR archive is none of Java's, and says nothing."""
    assert facts_of(cataloger, "x.rar", content) == ()
    assert facts_of(cataloger, "x.kar", content) == ()


def test_a_zip_is_no_package_and_may_hold_some() -> None:
    """As a distribution that is unpacked when it starts; one without archives is nobody's business, whatever is wrong with it."""
    content = jar({"lib/guava.jar": GUAVA, **maven("g", "a", "1"), MANIFEST: manifest(Implementation_Version="7")})
    assert found("dist.zip", content) == {("com.google.guava:guava", "32.1.3-jre", "lib/guava.jar")}
    assert facts_of(cataloger, "dist.zip", jar({"a.txt": bytes(999)})[:-9]) == ()
    assert "ends before" in partly("dist.zip", content[:-9])[0]


def test_a_nested_file_that_is_no_zip_is_said() -> None:
    """With its place, and what else there is is found."""
    said, packages = partly("app.war", jar({"WEB-INF/lib/x.jar": b"no zip", "WEB-INF/lib/guava.jar": GUAVA, "empty.jar": b""}))
    assert "WEB-INF/lib/x.jar: it is called an archive" in said
    assert packages == {("com.google.guava:guava", "32.1.3-jre")}


def test_archives_nested_too_deep_are_said() -> None:
    """Up to three levels are read."""
    content = GUAVA
    for _ in range(MAX_DEPTH):
        content = jar({"a.jar": content})
    assert {name for name, _, _ in found("a.jar", content)} == {"com.google.guava:guava"}
    said, packages = partly("a.jar", jar({"a.jar": content}))
    assert "too deep" in said
    assert not packages


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("META-INF/maven/g/a/pom.properties", b"#" * 70_000, "pom.properties' is longer"),
        ("META-INF/MANIFEST.MF", b"a: b\n" * 250_000, "manifest is longer"),
        ("META-INF/maven/g/a/pom.xml", b"<project>" + b"<a/>" * 5000, "more elements"),
    ],
)
def test_texts_that_are_longer_than_any(name: str, content: bytes, told: str) -> None:
    """Are read to a limit, and that is said."""
    padding = random.Random(0).randbytes(99_000)
    assert told in partly("a.jar", jar({name: content, "padding": padding if told != "more elements" else b""}))[0]


def test_a_pom_with_entities_is_not_followed() -> None:
    """Ten lines of them can be a GB."""
    pom = b"<!DOCTYPE x [<!ENTITY a 'b'>]><project><groupId>g</groupId><artifactId>&a;</artifactId><version>1</version></project>"
    assert records("a.jar", jar({"META-INF/maven/g/a/pom.xml": pom})) == ()


def test_a_bomb_is_not_read_to_its_end() -> None:
    """An archive of archives that is packed a thousand to one is an attack."""
    bomb = jar({f"{number}.jar": bytes(20_000_000) for number in range(5)})
    said, _ = partly("a.jar", jar({"bomb.jar": bomb} | maven("g", "a", "1")))
    assert "more than any archive" in said
