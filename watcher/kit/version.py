"""The version of this program, as its distribution says."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("registry-watcher")
except PackageNotFoundError:  # a source tree that was never installed
    VERSION = "0.0.0"
