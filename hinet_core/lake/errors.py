"""What goes wrong with files, in sentences."""

import errno
import os
from pathlib import Path

NOT_WRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


class LakeError(RuntimeError):
    """The lake cannot do what was asked; the message says what to do."""


def first_line(error: Exception) -> str:
    """The first line of an error's text, without the full stop that a sentence of ours adds."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def told(error: Exception) -> str:
    """The text of an error that people can repair; of a folder that takes no file the system says too little."""
    if not isinstance(error, OSError) or error.errno not in NOT_WRITABLE:
        return str(error)
    where = error.filename or Path(os.environ.get("HINET_HOME") or "var").expanduser()
    return (
        f"{where}: {error.strerror}. What was committed before is as it was; free some space or check the folder's "
        "rights, then run again"
    )
