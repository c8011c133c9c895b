"""Every cataloger, by the type of the packages it finds."""

from collections.abc import Mapping

from watcher.inspection.catalogers.apk import ApkCataloger
from watcher.inspection.catalogers.dpkg import DpkgCataloger
from watcher.inspection.catalogers.npm import NpmCataloger
from watcher.inspection.catalogers.protocol import Cataloger
from watcher.inspection.catalogers.python import PythonCataloger

CATALOGERS: Mapping[str, Cataloger] = {
    "apk": ApkCataloger(),
    "deb": DpkgCataloger(),
    "npm": NpmCataloger(),
    "pypi": PythonCataloger(),
}
