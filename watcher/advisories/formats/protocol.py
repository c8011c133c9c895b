"""What every format of advisories is read by: `read(content, *, name)`, an iterator of records.

Nothing has been yielded when NotThisFormatError is raised, at the latest by the first step of the iterator. A record that cannot
be read is yielded as Malformed and costs its neighbours nothing. `name` is what the file is called, for what is said of it. The
same id may come from several files, each with other packages: the records add up.
"""

from watcher.model.errors import PermanentError


class NotThisFormatError(PermanentError):
    """The file is of another format, or so damaged that nothing of it can be believed."""

    reason = "advisory-format"
