"""Ids as keyed hashes, for the few offending rows that findings show.

A plain hash is undone by hashing a list of ids. The key is random, stays in a file of the contract's folder that only
its owner can read, and never enters a table; so equal ids have equal hashes within one home and nowhere else.
"""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Any

FILE = "ids.key"
KEY_BYTES = 32


def key_of(root: Path | None) -> bytes:
    """The key of the contract whose folder this is, made when it is first asked for; without a folder a new one."""
    if root is None:
        return secrets.token_bytes(KEY_BYTES)
    path = root / FILE
    if not path.exists():
        draft = root / f".{FILE}.{os.getpid()}"
        try:
            draft.touch(mode=0o600)
            draft.write_bytes(secrets.token_bytes(KEY_BYTES))
            os.link(draft, path)  # of several processes the first one names the key
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)
    return path.read_bytes()


def hash_of(key: bytes, value: Any) -> str | None:
    """A short hash of an id; None of a missing one."""
    if value is None:
        return None
    return hashlib.blake2b(str(value).encode(), key=key, digest_size=6).hexdigest()
