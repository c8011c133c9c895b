"""Paths of an image through its symbolic links, as a runtime follows them: nothing leads out of the root. Pure."""

from collections.abc import Iterable, Mapping

# Linux's own limit for one path.
MAX_HOPS = 40


class Links:
    """The symbolic links of one tree, by path. What was resolved is remembered, so the mapping must not change meanwhile."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        self._targets = targets
        self._directories: dict[str, str | None] = {}

    @property
    def paths(self) -> Iterable[str]:
        return self._targets

    def entry(self, path: str) -> str:
        """Where an entry of this path really is: its directory is followed, itself not. As it is when the links go in circles."""
        if not self._targets:
            return path
        directory, slash, name = path.rpartition("/")
        if not slash:
            return path
        resolved = self.directory(directory)
        if resolved is None:
            return path
        return f"{resolved}/{name}" if resolved else name

    def directory(self, path: str) -> str | None:
        """As `follow`, for what many paths lie below."""
        if path not in self._directories:
            self._directories[path] = self.follow(path)
        return self._directories[path]

    def follow(self, path: str) -> str | None:
        """What `path` leads to in the end, whether or not it exists; None when the links go in circles."""
        todo = path.split("/")[::-1]
        done: list[str] = []
        hops = 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if done:
                    done.pop()
                continue
            done.append(part)
            target = self._targets.get("/".join(done))
            if target is None:
                continue
            hops += 1
            if hops > MAX_HOPS:
                return None
            if target.startswith("/"):
                done.clear()
            else:
                done.pop()
            todo += target.split("/")[::-1]
        return "/".join(done)
