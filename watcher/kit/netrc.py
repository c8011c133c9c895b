"""Keeps passwords of `~/.netrc` from whoever we speak to."""

import os


def forget_netrc() -> None:
    """From now on `requests`, by which other libraries speak HTTP, finds nothing there.

    It sends what that file has for a host, its `default` to anybody, and puts it in the place of the header that the library wrote.
    There is no other way to tell it that holds for sessions which others open.
    """
    os.environ["NETRC"] = os.devnull
