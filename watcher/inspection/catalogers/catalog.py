"""Every cataloger, by its name."""

from collections.abc import Mapping

from watcher.inspection.catalogers.alpm import AlpmCataloger
from watcher.inspection.catalogers.alpm_files import AlpmFilesCataloger
from watcher.inspection.catalogers.apk import ApkCataloger
from watcher.inspection.catalogers.assembly import AssemblyCataloger
from watcher.inspection.catalogers.bitnami import BitnamiCataloger
from watcher.inspection.catalogers.composer import ComposerCataloger
from watcher.inspection.catalogers.conda import CondaCataloger
from watcher.inspection.catalogers.copyright import CopyrightCataloger
from watcher.inspection.catalogers.cran import CranCataloger
from watcher.inspection.catalogers.dpkg import DpkgCataloger
from watcher.inspection.catalogers.dpkg_list import DpkgListCataloger
from watcher.inspection.catalogers.ebuild import EbuildCataloger
from watcher.inspection.catalogers.ebuild_licence import EbuildLicenceCataloger
from watcher.inspection.catalogers.egg import EggCataloger
from watcher.inspection.catalogers.gem import GemCataloger
from watcher.inspection.catalogers.java_release import JavaReleaseCataloger
from watcher.inspection.catalogers.jvm import JvmCataloger
from watcher.inspection.catalogers.licence import LicenceCataloger
from watcher.inspection.catalogers.linux import LinuxCataloger
from watcher.inspection.catalogers.lock import LockCataloger
from watcher.inspection.catalogers.luarocks import LuarocksCataloger
from watcher.inspection.catalogers.native import NativeCataloger
from watcher.inspection.catalogers.npm import NpmCataloger
from watcher.inspection.catalogers.nuget import NugetCataloger
from watcher.inspection.catalogers.opkg import OpkgCataloger
from watcher.inspection.catalogers.opkg_list import OpkgListCataloger
from watcher.inspection.catalogers.otp import OtpCataloger
from watcher.inspection.catalogers.pear import PearCataloger
from watcher.inspection.catalogers.protocol import AnyCataloger
from watcher.inspection.catalogers.python import PythonCataloger
from watcher.inspection.catalogers.rpm import RpmCataloger
from watcher.inspection.catalogers.sbom import SbomCataloger
from watcher.inspection.catalogers.wordpress import WordpressCataloger
from watcher.inspection.catalogers.x509 import X509Cataloger

CATALOGERS: Mapping[str, AnyCataloger] = {
    "alpm": AlpmCataloger(),
    "apk": ApkCataloger(),
    "assembly": AssemblyCataloger(),
    "bitnami": BitnamiCataloger(),
    "composer": ComposerCataloger(),
    "conda": CondaCataloger(),
    "copyright": CopyrightCataloger(),
    "cran": CranCataloger(),
    "deb": DpkgCataloger(),
    "dpkg-list": DpkgListCataloger(),
    "alpm-files": AlpmFilesCataloger(),
    "opkg-list": OpkgListCataloger(),
    "native": NativeCataloger(),
    "jvm": JvmCataloger(),
    "ebuild": EbuildCataloger(),
    "ebuild-licence": EbuildLicenceCataloger(),
    "egg": EggCataloger(),
    "gem": GemCataloger(),
    "java-release": JavaReleaseCataloger(),
    "licence": LicenceCataloger(),
    "linux": LinuxCataloger(),
    "lock": LockCataloger(),
    "luarocks": LuarocksCataloger(),
    "npm": NpmCataloger(),
    "nuget": NugetCataloger(),
    "opkg": OpkgCataloger(),
    "otp": OtpCataloger(),
    "pear": PearCataloger(),
    "pypi": PythonCataloger(),
    "rpm": RpmCataloger(),
    "sbom": SbomCataloger(),
    "wordpress-plugin": WordpressCataloger(),
    "x509": X509Cataloger(),
}

# Those whose files list certificates.
CERTIFICATES = frozenset({"x509"})

# Those whose files list no packages, or say more of some that others list: without one of them no package is missing.
NOTED = frozenset({"copyright", "dpkg-list", "alpm-files", "opkg-list", "licence", "ebuild-licence"}) | CERTIFICATES

# Those whose files list what somebody meant to install: without one of them no installed package is missing, either.
LOCKS = frozenset({"lock"})
