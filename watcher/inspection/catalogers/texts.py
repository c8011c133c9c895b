"""The small files that are kept whole because the image cannot be understood without them."""

# Exact paths. Each of /etc/os-release and /etc/passwd may be a link to its counterpart below /usr/lib.
TEXTS: frozenset[str] = frozenset(
    {
        "etc/os-release",
        "usr/lib/os-release",
        "etc/alpine-release",
        "etc/debian_version",
        "etc/passwd",
        "etc/group",
        "usr/lib/passwd",
        "usr/lib/group",
    }
)

# None of them has ever been near it; a larger one is said to be too large, not cut.
MAX_TEXT_BYTES = 1024 * 1024
