"""Every cataloger."""

from watcher.inspection.catalogers.apk import ApkCataloger
from watcher.inspection.catalogers.dpkg import DpkgCataloger
from watcher.inspection.catalogers.npm import NpmCataloger
from watcher.inspection.catalogers.protocol import Cataloger
from watcher.inspection.catalogers.python import PythonCataloger

CATALOGERS: tuple[Cataloger, ...] = (DpkgCataloger(), ApkCataloger(), PythonCataloger(), NpmCataloger())
