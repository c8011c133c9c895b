"""Which distribution an image is."""

from watcher.inspection.catalogers.distro import distro_of, parse_os_release
from watcher.model.inventory import Distro

UBUNTU = b"""PRETTY_NAME="Ubuntu 24.04.1 LTS"
NAME='Ubuntu'
VERSION_ID="24.04"
# ID=wrong
ID=ubuntu
ID_LIKE="debian  other"
"""


def test_os_release_is_read_as_a_shell_would() -> None:
    """Quotes of both kinds, none, and comments."""
    assert parse_os_release(UBUNTU) == Distro(id="ubuntu", version="24.04", name="Ubuntu", like=("debian", "other"), known=True)
    assert parse_os_release(b'ID=a\\ b # c\nNAME="it\'s"\nVERSION_ID=') == Distro(id="a b", name="it's", known=True)


def test_an_open_quote_is_taken_as_it_stands() -> None:
    """A damaged line still says something."""
    assert parse_os_release(b'ID="debian\nVERSION_ID=12').id == "debian"


def test_the_id_defaults_to_linux() -> None:
    """os-release(5) gives the default; a file without any known field says nothing."""
    assert parse_os_release(b"NAME=Own\n").id == "linux"
    assert parse_os_release(b"hello\n\x00\xff") == Distro()


def test_etc_wins_over_usr_lib() -> None:
    """The specification's order; each file is asked whole."""
    texts = {"usr/lib/os-release": b"ID=debian\n", "etc/os-release": UBUNTU}
    assert distro_of(texts).id == "ubuntu"
    assert distro_of({"usr/lib/os-release": b"ID=debian\n", "etc/os-release": b""}).id == "debian"


def test_version_files_stand_in() -> None:
    """Images stripped of os-release often keep them."""
    assert distro_of({"etc/alpine-release": b"3.20.3\n"}) == Distro(id="alpine", version="3.20.3", name="Alpine Linux", known=True)
    assert distro_of({"etc/debian_version": b"12.8\n"}).version == "12.8"
    assert distro_of({"etc/debian_version": b"trixie/sid\n"}).version == ""
    assert distro_of({}) == Distro()
