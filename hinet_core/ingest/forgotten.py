"""Users who were forgotten: salted hashes of their ids, and the SQL by which ingest refuses their rows unread.

The hash is SHA-256 over a random salt and the id, since DuckDB computes it in the scan. Such a row is in the books as
quarantined with the reason `user: forgotten` and without its text.
"""

import hashlib
import json
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from hinet_core.contract import Contract
from hinet_core.lake import quote_identifier, quote_literal, replace_text

FILE = "forgotten.json"
REASON = "user: forgotten"
# What stands around an id in a line of text: blanks, quotes, delimiters, brackets.
AROUND = r"[\s\x01\x02\x1f\"'`,;|:{}\[\]()<>=&]+"


def words_of(raw: str) -> str:
    """SQL: the words of a line that may be ids; 12.0 is the id 12 too, as NDJSON and Parquet write it beside nulls."""
    words = f"string_split_regex({raw}, {quote_literal(AROUND)})"
    return f"list_concat({words}, list_transform({words}, lambda word: {whole_number('word')}))"


def whole_number(text: str) -> str:
    return f"regexp_replace({text}, '^([0-9]+)[.]0+$', '\\1')"


@dataclass(frozen=True)
class Forgotten:
    """The salt of a contract and the hashes of the ids that its log must not bring back."""

    salt: str
    hashes: frozenset[str] = frozenset()

    def hash_of(self, user: str) -> str:
        return hashlib.sha256((self.salt + user).encode()).hexdigest()

    def is_one(self, text: str) -> str:
        """SQL: whether a text is such an id; false where it is missing."""
        return f"coalesce({self._hashed(text)} IN ({self._listed()}), false)"

    def is_in(self, raw: str) -> str:
        """SQL: whether a line that is no record holds such an id as a word of its own."""
        hashes = f"list_transform({words_of(raw)}, lambda word: {self._hashed('word')})"
        return f"coalesce(list_has_any({hashes}, [{self._listed()}]), false)"

    def _hashed(self, text: str) -> str:
        return f"sha256({quote_literal(self.salt)} || {text})"

    def _listed(self) -> str:
        return ", ".join(quote_literal(one) for one in sorted(self.hashes))


def load(root: Path) -> Forgotten:
    """The forgotten users of the contract whose folder this is; nobody where there is no file yet."""
    try:
        raw = json.loads((root / FILE).read_text())
    except FileNotFoundError:
        return Forgotten("")
    return Forgotten(raw["salt"], frozenset(raw["hashes"]))


def remember(root: Path, user: str) -> Forgotten:
    """Add a user; the file can be read by its owner only."""
    known = load(root)
    known = known if known.salt else Forgotten(secrets.token_hex(32))
    known = replace(known, hashes=known.hashes | {known.hash_of(user)})
    for left in root.glob(f".{FILE}.*"):  # of a call that was killed; there is one at a time
        left.unlink(missing_ok=True)
    before = os.umask(0o077)
    try:
        replace_text(root / FILE, json.dumps({"salt": known.salt, "hashes": sorted(known.hashes)}, indent=1))
    finally:
        os.umask(before)
    return known


def unread(contract: Contract, known: Forgotten, rows: str) -> str:
    """Staged rows with those of forgotten users refused, whatever else is wrong with them, and without their text."""
    if not known.hashes:
        return rows
    hit = known.is_one(f"CAST({quote_identifier(contract.name_of('user'))} AS VARCHAR)")
    reasons = f"CASE WHEN {hit} THEN [{quote_literal(REASON)}] ELSE reasons END AS reasons"
    return f"SELECT * REPLACE ({reasons}, CASE WHEN {hit} THEN NULL ELSE raw END AS raw) FROM ({rows})"


def kept_text(contract: Contract, known: Forgotten) -> str:
    """The `raw` of a refused row, of a line without a readable user only when no forgotten id stands in it."""
    if not known.hashes:
        return "raw"
    user = quote_identifier(contract.name_of("user"))
    return f"CASE WHEN {user} IS NULL AND {known.is_in('raw')} THEN NULL ELSE raw END AS raw"
