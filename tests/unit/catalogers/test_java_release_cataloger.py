"""Java runtimes by their `release`. The texts are of real ones, the second and third after syft's (Apache-2.0)."""

import pytest

from tests.doubles.cataloging import database_of, facts_of
from watcher.inspection.catalogers.java_release import JavaReleaseCataloger
from watcher.model.inventory import PackageRecord

cataloger = JavaReleaseCataloger()
TEMURIN = b"""IMPLEMENTOR="Eclipse Adoptium"
IMPLEMENTOR_VERSION="Temurin-21.0.4+7"
JAVA_RUNTIME_VERSION="21.0.4+7-LTS"
JAVA_VERSION="21.0.4"
MODULES="java.base java.compiler jdk.compiler"
OS_ARCH="aarch64"
OS_NAME="Linux"
SOURCE_REPO="https://github.com/adoptium/jdk21u.git"
FULL_VERSION="21.0.4+7-LTS"
SEMANTIC_VERSION="21.0.4+7"
IMAGE_TYPE="JDK"
"""
ORACLE_8 = b'JAVA_VERSION="1.8.0_411"\nJAVA_RUNTIME_VERSION="1.8.0_411-b25"\nOS_ARCH="amd64"\nBUILD_TYPE="commercial"\n'


def package(content: bytes, path: str = "opt/java/openjdk/release") -> PackageRecord:
    database = database_of(cataloger, path, content)
    assert database is not None
    (found,) = database.packages
    return found


def test_all_that_a_runtime_says_is_kept() -> None:
    """Its name is that of the product, its version has the build."""
    assert package(TEMURIN) == PackageRecord(
        type="generic",
        name="openjdk",
        version="21.0.4+7-LTS",
        architecture="aarch64",
        source="openjdk",
        source_version="21.0.4+7-LTS",
        maintainer="Eclipse Adoptium",
        purl="pkg:generic/oracle/openjdk@21.0.4%2B7-LTS?repository_url=https:%2F%2Fgithub.com%2Fadoptium%2Fjdk21u.git",
    )


@pytest.mark.parametrize(
    ("content", "path", "purl"),
    [
        (ORACLE_8, "usr/lib/jvm/jdk-1.8/release", "pkg:generic/oracle/jdk@1.8.0_411-b25"),
        (ORACLE_8 + b'IMAGE_TYPE="JRE"\n', "release", "pkg:generic/oracle/jre@1.8.0_411-b25"),
        (b'JAVA_VERSION="1.8.0_422"\nFULL_VERSION="1.8.0_422-b05"\n', "x/release", "pkg:generic/oracle/openjdk@1.8.0_422-b05"),
        (b'JAVA_VERSION="1.8.0_422"\nFULL_VERSION="8.0.422+5"\n', "x/release", "pkg:generic/oracle/openjdk@1.8.0_422"),
        (b"JAVA_VERSION=17\n", "opt/zulu17/release", "pkg:generic/azul/zulu@17"),
        (b'JAVA_VERSION="17"\nIMPLEMENTOR="Azul Systems, Inc."\n', "x/release", "pkg:generic/azul/zulu@17"),
        (b'JAVA_VERSION="17"\nIMPLEMENTOR="IBM Corporation"\n', "x/release", "pkg:generic/ibm/java@17"),
        (b'JAVA_VERSION="6"\nIMPLEMENTOR="Sun Microsystems"\n', "x/release", "pkg:generic/sun/jdk@6"),
        (b'JAVA_VERSION="21"\nIMPLEMENTOR="Oracle Corporation"\n', "x/release", "pkg:generic/oracle/jdk@21"),
    ],
)
def test_a_product_is_called_as_its_vendor_calls_it(content: bytes, path: str, purl: str) -> None:
    """By who made it, or by where it is; a version in another way of counting than JAVA_VERSION is not one to compare."""
    assert package(content, path).purl == purl


@pytest.mark.parametrize("content", [b"", b"Fedora release 40\n", b"VERSION=1\n", b'JAVA_VERSION=""\n', bytes(100_000) + TEMURIN])
def test_another_file_of_this_name_is_none(content: bytes) -> None:
    """Nor what begins only after more than any has."""
    assert facts_of(cataloger, "etc/release", content, piece=4096) == ()
