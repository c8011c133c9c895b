"""Texts of others, for whatever shows them: control characters, which could rewrite a screen or begin a line, can be seen."""


def printable(text: str) -> str:
    r"""Every character that cannot be printed as its escape, as `\x1b`."""
    return text if text.isprintable() else "".join(each if each.isprintable() else escaped(each) for each in text)


def one_line(text: str) -> str:
    """As one line: what separates words, ends of lines too, is one space."""
    return printable(" ".join(text.split()))


def escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
