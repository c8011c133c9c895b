"""Files whose text is kept for rules about their content: how those are configured that let people in, or run as root.

The list is short on purpose. What holds credentials by its nature is not on it (`shadow`, `.npmrc`, `pip.conf`, `htpasswd`), and of
what is on it nothing is kept in which a secret was found.
"""

from collections.abc import Mapping

from watcher.inspection.catalogers.protocol import Selection

# Paths, of which `DIRECTORY/*` is every file in it, by what their text decides.
KEPT_TEXTS: Mapping[str, tuple[str, ...]] = {
    "who may come in over the network": (
        "etc/ssh/sshd_config",
        "etc/ssh/sshd_config.d/*",
        "etc/ssh/ssh_config",
        "etc/ssh/ssh_config.d/*",
        "etc/hosts.allow",
        "etc/hosts.deny",
        "root/.ssh/authorized_keys",
    ),
    "who may become somebody else": (
        "etc/sudoers",
        "etc/sudoers.d/*",
        "etc/doas.conf",
        "etc/pam.d/*",
        "etc/authselect/*",
        "etc/login.defs",
        "etc/security/limits.conf",
        "etc/security/limits.d/*",
    ),
    "what is run without being asked for": (
        "etc/crontab",
        "etc/cron.d/*",
        "etc/crontabs/*",
        "var/spool/cron/*",
        "var/spool/cron/crontabs/*",
        "etc/profile",
        "etc/profile.d/*",
        "etc/bash.bashrc",
        "etc/bashrc",
        "root/.bashrc",
        "root/.profile",
        "etc/ld.so.preload",
    ),
    "what the kernel and TLS allow": (
        "etc/sysctl.conf",
        "etc/sysctl.d/*",
        "etc/ssl/openssl.cnf",
        "etc/crypto-policies/config",
    ),
    "where packages come from": (
        "etc/apt/sources.list",
        "etc/apt/sources.list.d/*",
        "etc/apt/apt.conf",
        "etc/apt/apt.conf.d/*",
        "etc/yum.conf",
        "etc/dnf/dnf.conf",
        "etc/yum.repos.d/*",
        "etc/zypp/repos.d/*",
        "etc/apk/repositories",
        "etc/pacman.conf",
    ),
    "what a web server serves": (
        "etc/nginx/nginx.conf",
        "etc/nginx/conf.d/*",
        "etc/nginx/sites-available/*",
        "etc/nginx/sites-enabled/*",
        "etc/httpd/conf/httpd.conf",
        "etc/httpd/conf.d/*",
        "etc/apache2/apache2.conf",
        "etc/apache2/httpd.conf",
        "etc/apache2/ports.conf",
        "etc/apache2/conf.d/*",
        "etc/apache2/conf-available/*",
        "etc/apache2/sites-available/*",
        "usr/local/apache2/conf/httpd.conf",
        "usr/local/apache2/conf/extra/*",
    ),
}

# The largest that distributions bring, httpd.conf and mime tables aside, have 20 KiB.
MAX_KEPT_BYTES = 64 * 1024
# Of one layer. All of Debian's and Fedora's together are a quarter of it.
MAX_LAYER_BYTES = 1024 * 1024

_PATTERNS = frozenset(pattern for patterns in KEPT_TEXTS.values() for pattern in patterns)
_FILES = frozenset(pattern for pattern in _PATTERNS if not pattern.endswith("/*"))
_DIRECTORIES = frozenset(pattern.removesuffix("/*") for pattern in _PATTERNS - _FILES)

SELECTION = Selection(
    names=frozenset(path.rpartition("/")[2].encode() for path in _FILES),
    directories=frozenset(path.rpartition("/")[2].encode() for path in _DIRECTORIES),
)
"""What a walk looks up to know which files to ask `is_kept` about."""


def is_kept(path: str) -> bool:
    """Whether the text of the file at this path is kept, if it is one."""
    return path in _FILES or path.rpartition("/")[0] in _DIRECTORIES


def kept_text(content: bytes) -> str | None:
    """The text, None for what is none: bytes that are no UTF-8, or a NUL among them."""
    if b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
