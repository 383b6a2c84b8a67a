"""Numbers made of numbers and lists against plain Python, and lists that are read from their end."""

from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from example_rows import plain
from tiny_log import CONTRACT, tiny_contract

from hinet_core.contract import ContractError
from hinet_core.dataset import Encoder, FeatureSpec
from hinet_core.dataset.numbers import Made

LISTS = [
    {"name": "watched", "type": "list<int64>", "role": "feature", "encode": "list", "nullable": True,
     "newest": "last", "length": 2},
    {"name": "liked", "type": "list<int64>", "role": "feature", "encode": "list", "nullable": True, "length": 0},
]  # fmt: skip
SCHEMA = pa.schema(
    [("shop", pa.int64()), ("watched", pa.list_(pa.int64())), ("liked", pa.list_(pa.int64())), ("price", pa.float64())]
)
ROWS: list[dict[str, Any]] = [
    {"shop": 7, "watched": [7, 8, 7, 9], "liked": [7], "price": 2.0},
    {"shop": 8, "watched": [], "liked": None, "price": None},
    {"shop": None, "watched": None, "liked": [7, 8], "price": -1.0},
    {"shop": 9, "watched": [1], "liked": [], "price": float("inf")},
]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (Made("n", "watched", True), [4, 0, None, 1]),
        (Made("n", "price", False), [2, None, -1, None]),
        (Made("n", "watched", True, equal_to="shop"), [2, 0, None, 0]),
        (Made("n", "liked", True, per="watched", per_list=True), [0.25, None, None, 0]),
        (Made("n", "liked", True, per="watched", per_list=True, prior=4.0, base=0.5), [3 / 8, None, None, 2 / 5]),
        (Made("n", "watched", True, per="price"), [2, None, None, None]),
        (Made("n", "watched", True, equal_to="shop", per="watched", per_list=True), [0.5, None, None, 0]),
        (Made("n", "watched", True, also_in="liked"), [2, None, None, 0]),
        (Made("n", "liked", True, also_in="watched"), [1, None, None, 0]),
        (Made("n", "watched", True, also_in="liked", per="watched", per_list=True, prior=4.0, base=0.5),
         [4 / 8, None, None, 2 / 5]),
    ],
)
def test_lengths_counts_and_ratios_are_those_worked_by_hand(
    con: duckdb.DuckDBPyConnection, made: Made, expected: list[float | None]
) -> None:
    found = con.from_arrow(pa.Table.from_pylist(ROWS, schema=SCHEMA)).project(f"{made.sql()} AS n").fetchall()
    assert [value for (value,) in found] == expected


def with_lists(**features: object) -> Any:
    own = [one for one in CONTRACT["columns"] if one["name"] != "tags"]
    return tiny_contract(columns=[*own, *LISTS], features={"windows_days": [1]} | features)


def examples_of(con: duckdb.DuckDBPyConnection, contract: Any) -> duckdb.DuckDBPyRelation:
    """Four rows of examples with the lists above; the other columns are those of the tiny log, all alike."""
    labels = [f"0 AS label_{task.name}, 0 AS known_us_{task.name}" for task in contract.tasks]
    other = "'x' AS user, 1 AS slot, 'x' AS city, 1 AS day_number, row_number() OVER () AS record_number, "
    other += "'f' AS source_file, 0 AS hour, 0 AS exposed_us, 'home' AS scenario_id"
    return con.from_arrow(pa.Table.from_pylist(ROWS, schema=SCHEMA)).project(", ".join(["*", other, *labels]))


def test_a_model_reads_the_newest_items_and_the_made_numbers(con: duckdb.DuckDBPyConnection, tmp_path: Any) -> None:
    contract = with_lists(
        min_token_count=1,
        numbers=[{"name": "n_watched", "of": "watched"}, {"name": "liked_share", "of": "liked", "per": "watched"}],
        buckets=[{"name": "some", "of": "n_watched", "bounds": [1], "keep_number": False, "min_count": 1}],
    )
    relation = examples_of(con, contract)
    encoder = Encoder.fit(con, contract, relation)
    assert lists_of(encoder.spec) == {"watched": 2}
    assert "n_watched" not in [one.name for one in encoder.spec.numbers]
    assert "liked_share" in [one.name for one in encoder.spec.numbers]
    words = dict(zip(*(encoder.vocabulary.filter(pa.compute.field("field") == "watched")[one].to_pylist()
                       for one in ("token", "id")), strict=True))  # fmt: skip
    buckets = dict(zip(*(encoder.vocabulary.filter(pa.compute.field("field") == "some")[one].to_pylist()
                         for one in ("token", "id")), strict=True))  # fmt: skip
    encoder.to_folder(tmp_path / "encoder")
    for one in (encoder, Encoder.from_folder(tmp_path / "encoder")):
        found = one.transform(con, relation, date(2030, 1, 1))
        assert found.lists["watched"].tolist() == [[words["9"], words["7"]], [0, 0], [0, 0], [words["1"], 0]]
        place = [field.name for field in one.spec.fields].index("some")
        assert found.fields_NF[:, place].tolist() == [buckets["1"], buckets["0"], buckets[None], buckets["1"]]


def lists_of(spec: FeatureSpec) -> dict[str, int]:
    return {one.name: one.max_length for one in spec.lists}


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        ({"numbers": [{"name": "n", "of": "city"}]}, "features.numbers.n.of: found 'city', allowed: .*price"),
        ({"numbers": [{"name": "n", "of": "price", "equal_to": "shop"}]}, "features.numbers.n.of: found 'price'"),
        ({"numbers": [{"name": "n", "of": "price", "per": "city"}]}, "features.numbers.n.per: found 'city'"),
        ({"numbers": [{"name": "n", "of": "price", "also_in": "tags"}]}, "features.numbers.n.of: found 'price'"),
        ({"numbers": [{"name": "n", "of": "tags", "also_in": "price"}]}, "features.numbers.n.also_in: found 'price'"),
        ({"numbers": [{"name": "n", "of": "tags", "also_in": "tags", "equal_to": "city"}]},
         "also_in: found 'tags' beside equal_to"),
        ({"numbers": [{"name": "n", "of": "price", "prior": 2}]}, "prior: found 2, allowed: none without per"),
        ({"numbers": [{"name": "n", "of": "price", "per": "price", "base": 2}]},
         "base: found 2, allowed: with a prior"),
        ({"numbers": [{"name": "n", "of": "price"}, {"name": "m", "of": "n"}]}, "features.numbers.m.of: found 'n'"),
        ({"numbers": [{"name": "Price", "of": "price"}]}, "features.numbers.Price: the name is taken"),
        ({"numbers": [{"name": "n", "of": "price", "per": "price", "prior": -1}]},
         "prior: found -1, allowed: at least 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_refused(features: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        plain(**features)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("length", 3, "columns.price.length: found 3|length: found 3, allowed: none without encode = 'list'"),
        ("newest", "last", "newest: found 'last', allowed: none without encode = 'list'"),
    ],
)
def test_only_lists_have_a_length_and_an_end(key: str, value: object, sentence: str) -> None:
    columns = [one | {key: value} if one["name"] == "price" else one for one in CONTRACT["columns"]]
    with pytest.raises(ContractError, match=sentence):
        tiny_contract(columns=columns)
