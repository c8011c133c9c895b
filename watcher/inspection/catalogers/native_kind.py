"""Whether an executable file is a program, or a library that only programs load."""

from struct import Struct, error

# Where what is asked for stands in whatever a linker writes.
KIND_BYTES = 4096

_SHARED, _INTERPRETER = 3, 3
_MAX_HEADERS = 64


def is_library(start: bytes) -> bool:
    """Of an ELF file whose first KIND_BYTES are `start`: a shared object that names no interpreter. Others are taken for programs.

    Spec: elf(5), `e_type` and `p_type`.
    """
    if not start.startswith(b"\x7fELF") or len(start) < 64:
        return False
    wide, order = start[4] == 2, ">" if start[5] == 2 else "<"
    half, word = Struct(order + "H"), Struct(order + "I")
    try:
        if half.unpack_from(start, 16)[0] != _SHARED:
            return False
        table = Struct(order + ("Q" if wide else "I")).unpack_from(start, 32 if wide else 28)[0]
        size, count = Struct(order + "HH").unpack_from(start, 54 if wide else 42)
        kinds = {word.unpack_from(start, table + number * size)[0] for number in range(min(count, _MAX_HEADERS))}
    except error:
        return False  # the kernel would look further
    return count <= _MAX_HEADERS and _INTERPRETER not in kinds
