"""What the name of an archive says it is, and by which group Maven knows an artifact whose archive does not say.

Jars that Gradle, Ant or sbt built have no pom.properties, and their manifest seldom names the group; advisories do.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import product

SUFFIXES = ("jar", "war", "ear", "par", "sar", "nar", "jpi", "hpi", "kar", "far", "lpkg", "rar", "zap", "zip")
"""How names of archives end; they are written in either case."""

# `name-1.2.3`: the version begins where a part begins with a digit, or is a build or a release candidate.
_VERSION = r"(?P<version>\d.*|build\d.*|rc?\d+)"
_PART = r"[A-Za-z][\w.]*"
_DASHED = re.compile(rf"(?P<name>{_PART}(?:-{_PART})*?)-{_VERSION}", re.IGNORECASE | re.ASCII)
_WHOLE = re.compile(rf"{_PART}(?:-+{_PART})*-?", re.ASCII)
# `name_1.2.3` as Eclipse writes it, and `name.1.2.3`.
_OTHERWISE = re.compile(rf"[._-]{_VERSION}\Z", re.IGNORECASE | re.ASCII)

# What may follow the version: for what it was built, or what of it this is.
_CLASSIFIER = re.compile(
    r"(?:sources|javadoc|tests?|test-sources|all|boot|bin|exec|shaded|uber|fat|dist|standalone|nodep|nodeps|no_aop|no_deps"
    r"|jar-with-dependencies|jdk\d+|java\d+|jre\d*|android|natives?(?:-.*)?|(?:linux|osx|macos|darwin|windows|win)[-_.\w]*)",
    re.IGNORECASE | re.ASCII,
)

_DOMAINS = ("com.", "org.", "net.", "io.", "edu.", "gov.", "dev.", "de.", "fr.", "uk.", "eu.", "ch.", "be.", "nl.", "me.", "info.")
_GROUP = re.compile(r"[A-Za-z][\w-]*(?:\.[A-Za-z][\w-]*)+", re.ASCII)

# Classes are called with a capital, as in `Main-Class`.
_CLASS = re.compile(r"(?:\.[A-Z][\w$]*)+\Z", re.ASCII)
# Whose projects have a group of their own each.
_UMBRELLAS = frozenset(
    f"{domain}.{name}"
    for domain, names in {
        "com": "google sun github ibm oracle microsoft googlecode",
        "net": "sf sourceforge java",
        "org": "apache eclipse codehaus jboss sonatype",
    }.items()
    for name in names.split()
)

# Old projects of Apache whose group is the artifact; later ones of them are of org.apache.commons.
_NAMED_ALIKE = re.compile(
    r"commons-(?:beanutils|chain|cli|codec|collections|configuration|daemon|dbcp|digester|discovery|el|fileupload|httpclient|io|jexl"
    r"|jxpath|lang|logging|net|pool|validator)|xml-resolver"
)

_GROUPS: Mapping[str, str] = {
    artifact: group
    for group, artifacts in {
        "ant": "ant-nodeps",
        "antlr": "antlr",
        "co.elastic.clients": "elasticsearch-java",
        "cglib": "cglib cglib-nodep",
        "com.github.ben-manes.caffeine": "caffeine",
        "com.google.api": "api-common gax gax-grpc gax-httpjson",
        "com.google.code.findbugs": "jsr305",
        "com.google.crypto.tink": "tink tink-android",
        "com.google.code.gson": "gson",
        "com.google.re2j": "re2j",
        "com.google.protobuf": "protobuf-java protobuf-java-util protobuf-javalite",
        "com.github.junrar": "junrar",
        "com.h2database": "h2",
        "com.mchange": "c3p0 mchange-commons-java",
        "com.squareup.okhttp3": "okhttp okhttp-jvm logging-interceptor okhttp-urlconnection",
        "com.squareup.okio": "okio okio-jvm",
        "com.squareup.retrofit2": "retrofit converter-jackson converter-gson",
        "com.sun.jersey": "jersey-bundle",
        "com.thoughtworks.xstream": "xstream",
        "com.zaxxer": "HikariCP HikariCP-java7",
        "dom4j": "dom4j",
        "io.netty": "netty-all",
        "io.projectreactor": "reactor-core reactor-test reactor-tools",
        "io.reactivex.rxjava2": "rxjava",
        "javax.activation": "activation javax.activation-api",
        "javax.annotation": "javax.annotation-api jsr250-api",
        "javax.servlet": "javax.servlet-api servlet-api",
        "junit": "junit",
        "log4j": "log4j",
        "mysql": "mysql-connector-java",
        "com.mysql": "mysql-connector-j",
        "net.bytebuddy": "byte-buddy byte-buddy-agent",
        "net.jcip": "jcip-annotations",
        "net.java.dev.jna": "jna jna-platform",
        "net.sf.ehcache": "ehcache ehcache-core",
        "ognl": "ognl",
        "org.antlr": "antlr4-runtime antlr-runtime ST4 stringtemplate",
        "org.apache.axis": "axis axis-jaxrpc axis-saaj",
        "org.apache.ant": "ant ant-launcher ant-junit",
        "org.apache.derby": "derby derbyclient derbynet derbyshared derbytools",
        "org.apache.kafka": "kafka-clients connect-api kafka-streams",
        "org.apache.tomcat": "tomcat-catalina tomcat-coyote tomcat-util tomcat-juli tomcat-jasper tomcat-servlet-api tomcat-jdbc",
        "org.apache.tomcat.embed": "tomcat-embed-core tomcat-embed-el tomcat-embed-websocket tomcat-embed-jasper",
        "org.apache.velocity": "velocity velocity-engine-core",
        "org.apache.xmlgraphics": "xmlgraphics-commons fop",
        "org.apache.zookeeper": "zookeeper zookeeper-jute",
        "org.aspectj": "aspectjrt aspectjweaver aspectjtools",
        "org.beanshell": "bsh",
        "org.hibernate": "hibernate-core hibernate-entitymanager hibernate-ehcache",
        "org.hamcrest": "hamcrest hamcrest-core hamcrest-library",
        "org.hibernate.common": "hibernate-commons-annotations",
        "org.hsqldb": "hsqldb",
        "org.checkerframework": "checker-qual checker-compat-qual",
        "org.jdom": "jdom jdom2",
        "org.lz4": "lz4-java lz4-pure-java",
        "org.mockito": "mockito-core mockito-all mockito-inline",
        "org.ow2.asm": "asm",
        "org.roaringbitmap": "RoaringBitmap",
        "org.rocksdb": "rocksdbjni",
        "org.postgresql": "postgresql",
        "org.quartz-scheduler": "quartz quartz-jobs",
        "org.scala-lang": "scala-library scala-reflect scala-compiler scala3-library_3",
        "org.springframework": "spring-aop spring-aspects spring-beans spring-context spring-context-indexer spring-core "
        "spring-context-support spring-expression spring-instrument spring-jcl spring-jdbc spring-jms spring-messaging spring-orm "
        "spring-oxm spring-r2dbc spring-test spring-tx spring-web spring-webflux spring-webmvc spring-websocket spring-struts",
        "org.thymeleaf": "thymeleaf thymeleaf-spring4 thymeleaf-spring5 thymeleaf-spring6",
        "org.xerial": "sqlite-jdbc",
        "org.zeroturnaround": "zt-zip",
        "rome": "rome",
        "xalan": "xalan serializer",
        "xerces": "xercesImpl",
        "xml-apis": "xml-apis xml-apis-ext",
    }.items()
    for artifact in artifacts.split()
}
# Families whose members all begin alike, the longer beginnings first.
_FAMILIES: tuple[tuple[str, str], ...] = (
    ("asm-", "org.ow2.asm"),
    ("spring-boot", "org.springframework.boot"),
    ("spring-cloud-", "org.springframework.cloud"),
    ("spring-data-", "org.springframework.data"),
    ("spring-security-", "org.springframework.security"),
    ("spring-integration-", "org.springframework.integration"),
    ("spring-session-", "org.springframework.session"),
    ("spring-batch-", "org.springframework.batch"),
    ("spring-kafka", "org.springframework.kafka"),
    ("spring-amqp", "org.springframework.amqp"),
    ("spring-rabbit", "org.springframework.amqp"),
    ("spring-ws-", "org.springframework.ws"),
    ("spring-hateoas", "org.springframework.hateoas"),
    ("spring-ldap-", "org.springframework.ldap"),
    ("spring-plugin-", "org.springframework.plugin"),
    ("spring-retry", "org.springframework.retry"),
    ("micrometer-", "io.micrometer"),
    ("reactor-netty", "io.projectreactor.netty"),
    ("kotlin-", "org.jetbrains.kotlin"),
    ("kotlinx-coroutines-", "org.jetbrains.kotlinx"),
    ("kotlinx-serialization-", "org.jetbrains.kotlinx"),
    ("lucene-", "org.apache.lucene"),
    ("solr-", "org.apache.solr"),
    ("grpc-", "io.grpc"),
    ("akka-", "com.typesafe.akka"),
    ("flink-", "org.apache.flink"),
    ("google-cloud-", "com.google.cloud"),
    ("hadoop-", "org.apache.hadoop"),
    ("htmlunit", "net.sourceforge.htmlunit"),
    ("ktor-", "io.ktor"),
    ("micronaut-", "io.micronaut"),
    ("spark-", "org.apache.spark"),
    ("opencensus-", "io.opencensus"),
    ("opentelemetry-", "io.opentelemetry"),
    ("elasticsearch-rest-", "org.elasticsearch.client"),
    ("elasticsearch", "org.elasticsearch"),
    ("junit-jupiter", "org.junit.jupiter"),
    ("junit-platform-", "org.junit.platform"),
    ("junit-vintage-", "org.junit.vintage"),
    ("hibernate-", "org.hibernate.orm"),
    ("gradle-", "org.gradle"),
    ("groovy", "org.codehaus.groovy"),
)
# Bouncy Castle's name the Java they are for: bcprov-jdk18on.
_BOUNCY_CASTLE = re.compile(
    r"bc(?:prov|pkix|pg|mail|util|tls|jmail)(?:-ext)?-(?:jdk|lts)\w+|bc-?fips|bcpkix-fips|bctls-fips", re.ASCII
)
# Projects that moved to another group, and with which major version.
_MOVED: Mapping[str, tuple[str, int]] = {
    "org.hibernate": ("org.hibernate.orm", 6),
    "org.codehaus.groovy": ("org.apache.groovy", 4),
    "io.reactivex.rxjava2": ("io.reactivex.rxjava3", 3),
}


def written(suffixes: Iterable[str]) -> frozenset[bytes]:
    """The suffixes, with their dot, in every mix of cases."""
    return frozenset(
        b"." + "".join(letters).encode() for suffix in suffixes for letters in product(*((each, each.upper()) for each in suffix))
    )


def name_and_version(file_name: str, stated: Iterable[str] = ()) -> tuple[str, str]:
    """Of the archive, as far as its own name says. `stated` are versions that it says to have, which settle where one begins."""
    stem = file_name.rpartition(".")[0]
    for version in stated:
        before, dash, after = stem.partition(f"-{version}")
        if version[:1].isdigit() and before and dash and (not after or _CLASSIFIER.fullmatch(after[1:])) and after[:1] in ("", "-"):
            return before, version
    if found := _DASHED.fullmatch(stem):
        return found["name"], _without_classifier(found["version"])
    if not _WHOLE.fullmatch(stem):
        return "", ""
    if found := _OTHERWISE.search(stem):
        return stem[: found.start()], found["version"]
    return stem, ""


def artifact_of(name: str) -> str:
    """The artifact of a name that may have its group before it: `logging` of `org.example.logging`."""
    if name.startswith(_DOMAINS) and not name.startswith("org.eclipse.") and _GROUP.fullmatch(name):
        return name.rpartition(".")[2]
    return name


def known_group(artifact: str, version: str) -> str:
    """The group of well-known artifacts that do not say theirs; empty for others."""
    group = artifact if _NAMED_ALIKE.fullmatch(artifact) else _GROUPS.get(artifact, "")
    if not group and _BOUNCY_CASTLE.fullmatch(artifact):
        group = "org.bouncycastle"
    group = group or next((group for beginning, group in _FAMILIES if artifact.startswith(beginning)), "")
    moved, since = _MOVED.get(group, ("", 0))
    major = version.partition(".")[0]
    return moved if moved and major.isascii() and major.isdigit() and len(major) < 4 and int(major) >= since else group


def group_before(name: str, artifact: str) -> str:
    """The group of a name that is made of both, or is the group's own: `org.apache.solr` is no artifact of `org.apache`.

    The words of the artifact may be parts of the name: `io.netty.handler` is netty-handler of `io.netty`.
    """
    before, _, last = name.rpartition(".")
    if last == artifact and before in _UMBRELLAS:
        return f"{before}.{artifact.partition('-')[0]}"
    if last == artifact and "." in before:
        return before
    parts, words = re.split(r"[._]", name), re.split(r"[._-]", artifact)
    for first in range(1, len(parts) - 1):
        if parts[first:] == words[: len(parts) - first]:
            return ".".join(parts[: first + 1])
    return name


def group_in(text: str) -> str:
    """The text if it is like a group, without the directives that OSGi puts behind names; empty if not."""
    name = _CLASS.sub("", text.partition(";")[0].partition("#")[0].strip())
    return name if name.startswith(_DOMAINS) and _GROUP.fullmatch(name) and name not in _UMBRELLAS else ""


def _without_classifier(version: str) -> str:
    number, dash, classifier = version.partition("-")
    while dash:
        if _CLASSIFIER.fullmatch(classifier):
            return number
        more, dash, classifier = classifier.partition("-")
        number = f"{number}-{more}"
    return version
