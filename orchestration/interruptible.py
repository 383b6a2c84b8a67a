"""Work that Ctrl-C stops at once."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


def interruptible(work: Callable[[], Result]) -> Result:
    """Do the work in another thread and wait for it here, so that Ctrl-C and SIGTERM reach this thread.

    In the main thread Dagster takes both signals for itself and loses those that come between two steps. The caller
    ends the process after an interrupt; commits are atomic, so the thread may be cut off anywhere.
    """
    done: dict[str, Any] = {}

    def carry_out() -> None:
        try:
            done["result"] = work()
        except BaseException as error:
            done["error"] = error

    thread = threading.Thread(target=carry_out, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
    if "error" in done:
        raise done["error"]
    return done["result"]  # type: ignore[no-any-return]
