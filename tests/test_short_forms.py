"""Short forms say what the long contract says: like columns in one entry, ranges in names, one log on another."""

import copy

import pytest

from hinet_core.contract import ContractError, load_contract, parse_contract
from hinet_core.contract.short import MOST_NAMES, spelled

LIKE = {"type": "int8", "role": "plain", "nullable": True}


def names_of(raw):
    return [(one.name, one.found_in) for one in parse_contract(raw).columns][10:]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("plain", "plain"),
        ("f{0..2}", ["f0", "f1", "f2"]),
        (["a", "b{9..11}_x", "c"], ["a", "b9_x", "b10_x", "b11_x", "c"]),
        ("f{3..3}", ["f3"]),
        ("f{a..b}", "f{a..b}"),
        (7, 7),
    ],
)
def test_a_range_in_a_name_stands_for_its_numbers(names, expected):
    assert spelled(names, "key") == expected


@pytest.mark.parametrize("wrong", ["f{2..1}", f"f{{0..{MOST_NAMES}}}"])
def test_a_range_is_bounded(tiny_raw, wrong):
    tiny_raw["columns"].append({"name": wrong, **LIKE})
    with pytest.raises(ContractError, match=r"contract: columns\.f.*\.name: found 'f.* allowed: a range from low to"):
        parse_contract(tiny_raw)


def test_one_entry_declares_many_like_columns(tiny_raw):
    long = copy.deepcopy(tiny_raw)
    long["columns"] += [{"name": f"f{n}", **LIKE} for n in (1, 2, 7)]
    tiny_raw["columns"].append({"name": ["f{1..2}", "f7"], **LIKE})
    assert parse_contract(tiny_raw).full_fingerprint == parse_contract(long).full_fingerprint


def test_from_gives_one_name_to_each_of_many_columns_and_all_names_to_one(tiny_raw):
    tiny_raw["columns"] += [
        {"name": "f{1..2}", "from": "column_{8..9}", **LIKE},
        {"name": "hist", "from": "h{1..3}", **LIKE, "type": "list<int64>"},
    ]
    assert names_of(tiny_raw) == [("f1", ("column_8",)), ("f2", ("column_9",)), ("hist", ("h1", "h2", "h3"))]
    tiny_raw["columns"][10]["from"] = ["x", "y", "z"]
    with pytest.raises(ContractError, match="columns.f{1..2}.from: found 3 names, allowed: one for each of the 2 colu"):
        parse_contract(tiny_raw)


def test_the_columns_of_a_file_without_header_may_be_a_range(tiny_raw):
    tiny_raw["sources"][0] |= {"header": False, "names": ["id", "c{2..9}"]}
    for column, name in zip(tiny_raw["columns"], ["id", *(f"c{n}" for n in range(2, 10))], strict=False):
        column["from"] = name
    assert parse_contract(tiny_raw).log.names == ("id", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9")


def test_a_mistake_in_a_short_entry_names_the_column(tiny_raw):
    tiny_raw["columns"].append({"name": "f{1..2}", **LIKE, "type": "int9"})
    with pytest.raises(ContractError) as caught:
        parse_contract(tiny_raw)
    assert [line.split(",")[0] for line in str(caught.value).split("\n")] == [
        "contract: columns.f1.type: found 'int9'", "contract: columns.f2.type: found 'int9'",
    ]  # fmt: skip


BASE = """
name = "base"
time_zone = "UTC"
first_day = 2026-03-01
dedupe = { key = ["user", "item", "shown_at"] }
sources = [{ name = "log", files = "*.csv", format = "csv", delimiter = ";" }]
columns = [
  { name = ["user", "item", "place"], type = "string" },
  { name = "shown_at", type = "timestamp", role = "time" },
  { name = "clicked", type = "int8", role = "outcome" },
]
scenarios = [{ id = "home" }]
tasks = [{ name = "click", label = "clicked" }]
quality = { min_rows = 7, max_duplicate_share = 0.5 }
"""
ROLES = [{"name": "user", "role": "user"}, {"name": "item", "role": "item"}, {"name": "place", "role": "scenario"}]


@pytest.fixture
def base(tmp_path):
    (tmp_path / "base.toml").write_text(BASE)
    return tmp_path / "base.toml"


def test_a_contract_extends_another_entry_by_entry(base):
    own = {
        "name": "own",
        "extend": "base.toml",
        "sources": [{"name": "log", "files": "**/*.parquet", "format": "parquet"}],
        "columns": [*ROLES, {"name": "price", "type": "float64", "nullable": True}],
        "scenarios": [{"id": "map"}],
        "quality": {"min_rows": 9},
    }
    found = parse_contract(own, str(base.parent / "own.toml"))
    assert found.name == "own"
    assert (found.log.files, found.log.format, found.log.delimiter) == ("**/*.parquet", "parquet", ";")
    assert [(one.name, one.type) for one in found.columns] == [
        ("user", "string"), ("item", "string"), ("place", "string"), ("shown_at", "timestamp"), ("clicked", "int8"),
        ("price", "float64"),
    ]  # fmt: skip
    assert [one.id for one in found.scenarios] == ["home", "map"]
    assert (found.quality.min_rows, found.quality.max_duplicate_share) == (9, 0.5)


def test_a_packaged_contract_can_be_extended_and_keeps_what_models_depend_on():
    assert parse_contract({"name": "mine", "extend": "kuairand"}).data_fingerprint == (
        load_contract("kuairand").data_fingerprint
    )


def test_a_contract_leaves_out_side_tables_of_the_one_that_it_extends_with_their_columns():
    whole = load_contract("kuairand")
    history = {one.name for one in whole.columns if one.source == "history"}
    found = parse_contract({"name": "mine", "extend": "kuairand", "without": ["history"], "features": {"numbers": []}})
    assert {one.name for one in whole.sources} - {one.name for one in found.sources} == {"history"}
    assert {one.name for one in whole.columns} - {one.name for one in found.columns} == history
    assert {"history_watched", "author_long_watched"} <= history


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"name": "own", "extend": "kuairand", "without": ["log"]},
         "without: found 'log', allowed: users, videos, history"),
        ({"name": "own", "extend": "base.toml", "without": ["x"]}, "without: found 'x', allowed: none"),
        ({"extend": "base.toml"}, "name: found nothing, allowed: a name of its own beside extend = 'base.toml'"),
        ({"name": "own", "extend": "nobody"}, "contract 'nobody': unknown name; allowed: "),
        ({"name": "own", "extend": "nobody.toml"}, "nobody.toml: no such contract file"),
        ({"name": "own", "extend": 7}, "extend: found 7, allowed: text"),
        ({"name": "own", "extend": "base.toml", "columns": [{"type": "int8"}]}, "name: found nothing, allowed: a"),
        ({"name": "own", "extend": "base.toml", "columns": [3, *ROLES]}, "columns.5: found 3, allowed: a table"),
        ({"name": "own", "extend": "base.toml", "tasks": 3}, "tasks: found 3, allowed: a list"),
    ],
)  # fmt: skip
def test_what_cannot_be_extended_is_one_sentence(base, own, sentence):
    with pytest.raises(ContractError) as caught:
        parse_contract(own, str(base.parent / "own.toml"))
    assert sentence in str(caught.value)


def test_contracts_that_extend_each_other_are_refused(tmp_path):
    for name, other in (("a", "b"), ("b", "x/../a")):
        (tmp_path / f"{name}.toml").write_text(f'name = "{name}"\nextend = "{other}.toml"\n')
    (tmp_path / "x").mkdir()
    with pytest.raises(ContractError, match="which extends this contract itself; allowed: one that does not"):
        load_contract(str(tmp_path / "a.toml"))
