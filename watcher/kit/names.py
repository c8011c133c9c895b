"""What may be called by a name that is part of a path."""

from typing import Annotated

import msgspec

NAME_PATTERN = r"^(?!\.{1,2}$)[A-Za-z0-9._-]*$"

PathName = Annotated[
    str, msgspec.Meta(pattern=NAME_PATTERN, description="a name of letters, digits, dots, hyphens and underscores")
]
