"""The SQL that tells whether a row, a key, a refused record or a sampled row is of one user."""

from pathlib import Path

from hinet_core.contract import Column, Contract
from hinet_core.ingest.forgotten import whole_number, words_of
from hinet_core.lake import quote_identifier, quote_literal
from hinet_core.quality.hashed_ids import hash_of, key_of

FEATURE_KEYS = ("entity", "list")  # columns that name what the column `key` is a key of


def user_column(contract: Contract) -> Column:
    return contract.columns_with("user")[0]


def is_user(contract: Contract, user: str) -> str:
    """A row of a table with the log's user column."""
    return f"CAST({quote_identifier(user_column(contract).name)} AS VARCHAR) = {quote_literal(user)}"


def is_key_of(contract: Contract, user: str, columns: list[str]) -> str:
    """A row of a table of entities: its key is the user, or has the user as one of its parts."""
    name = user_column(contract).name
    entities = {one.name: one.keys for one in contract.features.entities if name in one.keys}
    lists = {one.name: entities[one.entity] for one in contract.features.recent if one.entity in entities}
    named = {"entity": entities, "list": lists}
    part = user.replace("~", "~0").replace("|", "~1")
    found = []
    for label in (one for one in FEATURE_KEYS if one in columns):
        for owner, keys in named[label].items():
            whole = f"key = {quote_literal(user)}"
            split = f"list_contains(string_split(key, '|'), {quote_literal(part)})"
            found.append(f"({label} = {quote_literal(owner)} AND {whole if len(keys) == 1 else split})")
    met = [one.name for one in contract.features.recent if one.of == name]
    if met and {"list", "value"} <= set(columns):
        listed = ", ".join(map(quote_literal, met))
        found.append(f"(list IN ({listed}) AND value = {quote_literal(user)})")
    return " OR ".join(found) or "false"


def is_raw_of(contract: Contract, user: str, of_outcomes: bool = False) -> str:
    """A refused or waiting record: its user's field, where it has one; else the id as a word of its own."""
    column = user_column(contract)
    joined = tuple(one.join[column.name] for one in contract.outcome_sources if column.name in one.join)
    found_in = joined if of_outcomes else column.found_in
    word = f"list_contains({words_of('raw')}, {quote_literal(user)})"
    if not found_in or any(":" in name for name in found_in):
        return word
    fields = [f"(raw ->> {quote_literal(f'$.{quote_identifier(name)}')})" for name in found_in]
    text = f"trim(concat_ws(' ', {', '.join(fields)}))"
    meant = [f"CAST(TRY_CAST({text} AS {column.duckdb_type}) AS VARCHAR)", text, whole_number(text)]
    same = " OR ".join(f"{one} = {quote_literal(user)}" for one in meant)
    return f"coalesce(CASE WHEN json_valid(raw) THEN {same} ELSE {word} END, false)"


def sampled_as(root: Path, user: str) -> str:
    """How findings show the user: the hash of the id by the key of the contract's folder."""
    return str(hash_of(key_of(root), user))


def is_sampled(root: Path, user: str) -> str:
    """A finding with the user among its sampled rows."""
    return f"contains(sample, {quote_literal(sampled_as(root, user))})"


def other_samples(root: Path, user: str) -> str:
    """The sampled rows of a finding without those of the user."""
    other = f"NOT contains(CAST(one AS VARCHAR), {quote_literal(sampled_as(root, user))})"
    others = f"to_json(list_filter(from_json(sample, '[\"JSON\"]'), lambda one: {other}))"
    return f"CASE WHEN {is_sampled(root, user)} THEN CAST({others} AS VARCHAR) ELSE sample END AS sample"
