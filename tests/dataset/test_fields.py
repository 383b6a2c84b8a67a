"""Buckets and crosses against plain Python: bounds, tokens, ids, whatever the values."""

import bisect
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from example_rows import SETTLED, field, plain, relation_of, shown
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_log import CONTRACT, tiny_contract

from hinet_core.contract import ContractError
from hinet_core.dataset import Encoder
from hinet_core.dataset.fields import Bucketed, cross_sql, quantile_bounds
from hinet_core.lake import connect

CON = connect(threads=1)

doubles = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-3, 3).map(float),
    # The fourth is another number when it is read as a decimal first.
    st.sampled_from([0.1, 0.30000000000000004, 1e-300, 0.9208518220778703, -0.0, 5e-324]),
)


def view(con: duckdb.DuckDBPyConnection, **columns: pa.Array) -> str:
    con.from_arrow(pa.table(columns)).create_view("rows", replace=True)
    return "rows"


def slow_bounds(values: Sequence[float | None], n_buckets: int) -> tuple[float, ...]:
    """The k-th bound is the least value with at least k/n of the rows below it."""
    known = [one for one in values if one is not None and math.isfinite(one)]
    bounds = []
    for k in range(1, n_buckets):
        above = [one for one in known if sum(other < one for other in known) * n_buckets >= k * len(known)]
        bounds += [min(above)] if above else []
    return tuple(sorted(set(bounds)))


def slow_bucket(value: float | None, bounds: Sequence[float]) -> str | None:
    return None if value is None or not math.isfinite(value) else str(bisect.bisect_right(bounds, value))


@given(values=st.lists(doubles, max_size=40), n_buckets=st.integers(2, 12))
@settings(max_examples=150, deadline=None)
def test_quantiles_of_the_window_are_those_of_the_slow_reference(values: list[float | None], n_buckets: int) -> None:
    rows = view(CON, x=pa.array(values, pa.float64()))
    bounds = quantile_bounds(CON, rows, "x", n_buckets)
    assert bounds == slow_bounds(values, n_buckets)
    tokens = CON.sql(f"SELECT {Bucketed('b', 'x', bounds).token_sql()} FROM {rows}").fetchall()
    assert [token for (token,) in tokens] == [slow_bucket(value, bounds) for value in values]
    # No bucket is empty in the window, so none is read without having been trained.
    found = {token for (token,) in tokens if token is not None}
    assert found == {str(k) for k in range(len(bounds) + 1)} or not found


def test_equal_shares_ties_and_the_ends() -> None:
    rows = view(CON, x=pa.array([float(one) for one in range(1, 101)]))
    assert quantile_bounds(CON, rows, "x", 4) == (26, 51, 76)
    rows = view(CON, x=pa.array([0.0] * 60 + [1.0] * 30 + [2.0] * 10))
    assert quantile_bounds(CON, rows, "x", 2) == (1,)
    assert quantile_bounds(CON, rows, "x", 4) == (1, 2)
    assert quantile_bounds(CON, view(CON, x=pa.array([7.0, 7.0])), "x", 5) == ()
    assert quantile_bounds(CON, view(CON, x=pa.array([None], pa.float64())), "x", 5) == ()


tokens = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4) | st.sampled_from(
    ['"', ",", '","', "a", "[", "null", "\\", "|"]
)  # fmt: skip


@given(rows=st.lists(st.tuples(tokens, tokens, tokens), min_size=1, max_size=12))
@settings(max_examples=150, deadline=None)
def test_two_crosses_are_equal_exactly_when_all_parts_are(rows: list[tuple[str | None, ...]]) -> None:
    columns = {name: pa.array(values, pa.string()) for name, values in zip("abc", zip(*rows, strict=True), strict=True)}
    found = CON.sql(f"SELECT {cross_sql(['a', 'b', 'c'])} FROM {view(CON, **columns)}").fetchall()
    for parts, (token,) in zip(rows, found, strict=True):
        assert (token is None) == (None in parts)
        assert token is None or json.loads(token) == list(parts)


def slow_ids(window: Sequence[str | None], tokens: Sequence[str | None], min_count: int) -> list[int]:
    """Falling count, ties by token, the missing one last among its equals; rarer ones and unknown ones are 1."""
    counts = Counter(window)
    kept = [token for token in counts if counts[token] >= min_count or token is None]
    order = sorted(kept, key=lambda token: (-counts[token], token is None, (token or "").encode()))
    return [order.index(token) + 2 if token in order else 1 for token in tokens]


FEATURES: dict[str, Any] = {
    "min_token_count": 3,
    "buckets": [
        {"name": "price_band", "of": "price", "bounds": [0, 10.5, 20], "min_count": 1},
        {"name": "price_share", "of": "price", "quantiles": 3, "keep_number": False},
    ],
    "crosses": [
        {"name": "city_price", "columns": ["city", "price_band"]},
        {"name": "where", "columns": ["user", "scenario_id", "hour"], "min_count": 2},
    ],
}


def test_every_field_of_a_contract_has_the_ids_of_the_slow_reference(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    columns = [one | {"min_count": 1} if one["name"] == "shop" else one for one in CONTRACT["columns"]]
    contract = tiny_contract(columns=columns, features={"windows_days": [1]} | FEATURES)
    prices = [None, -5.0, 0.0, 10.5, 10.4999, 20.0, 21.0, 3.0, 3.0, 15.0, None, 7.0]
    cities = ["a", "a", "b", None, "b", "a", "b", "b", "b", "c", None, "b"]
    users = ["u", "u", "v", "v", "u", "w", "u", "u", "v", "v", "v", "u"]
    places = ["home", "map", "home", "home", "home", "map", "home", "map", "home", "home", "home", "home"]
    shops = [1, 2, 3, 1, 1, 2, 3, 4, 4, 4, 5, 1]
    window = {"price": prices, "city": cities, "user": users, "place": places, "shop": shops}
    later = {"price": [-1e9, 1e9, None, 12.0], "city": ["b", "b", "b", "never"], "user": ["u"] * 4,
             "place": ["home"] * 4, "shop": [9, 1, 5, 5]}  # fmt: skip
    encoder = Encoder.fit(con, contract, relation_of(con, contract, tmp_path, shown(12, **window)))
    assert [one.name for one in encoder.spec.fields] == [
        "shop", "city", "price_band", "price_share", "city_price", "where", "hour", "weekday"
    ]  # fmt: skip
    assert [one.name for one in encoder.spec.numbers] == []
    shares = slow_bounds(prices, 3)

    def tokens(rows: dict[str, list[Any]]) -> dict[str, tuple[list[str | None], int]]:
        band = [slow_bucket(one, [0, 10.5, 20]) for one in rows["price"]]
        return {
            "shop": ([str(one) for one in rows["shop"]], 1),
            "city": (rows["city"], 3),
            "price_band": (band, 1),
            "price_share": ([slow_bucket(one, shares) for one in rows["price"]], 3),
            "city_price": ([as_json(*parts) for parts in zip(rows["city"], band, strict=True)], 3),
            "where": ([as_json(*parts, "0") for parts in zip(rows["user"], rows["place"], strict=True)], 2),
        }

    seen = tokens(window)
    encoder.to_folder(tmp_path / "encoder")
    for rows in (window, later):
        relation = relation_of(con, contract, tmp_path, shown(len(rows["price"]), **rows))
        for one in (encoder, Encoder.from_folder(tmp_path / "encoder")):
            found = one.transform(con, relation, SETTLED)
            for name, (expected, min_count) in tokens(rows).items():
                assert field(one, found, name) == slow_ids(seen[name][0], expected, min_count), name


def as_json(*parts: str | None) -> str | None:
    return None if None in parts else json.dumps(list(parts), separators=(",", ":"))


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        ({"buckets": [{"name": "b", "of": "city", "quantiles": 3}]},
         "features.buckets.b.of: found 'city', allowed: price"),
        ({"buckets": [{"name": "b", "of": "price"}]}, "features.buckets.b: buckets have either bounds"),
        ({"buckets": [{"name": "b", "of": "price", "bounds": [1], "quantiles": 3}]}, "either bounds .* or quantiles"),
        ({"buckets": [{"name": "b", "of": "price", "bounds": [3, 3]}]},
         r"features.buckets.b.bounds: found \[3.0, 3.0\], allowed: rising numbers"),
        ({"buckets": [{"name": "b", "of": "price", "bounds": [1, math.inf]}]},
         "features.buckets.b.bounds.1: found inf"),
        ({"buckets": [{"name": "b", "of": "price", "quantiles": 1}]}, "quantiles: found 1, allowed: at least 2"),
        ({"buckets": [{"name": "City", "of": "price", "quantiles": 2}]}, "features.buckets.City: the name is taken"),
        ({"crosses": [{"name": "x", "columns": ["city"]}]},
         "features.crosses.x.columns: found .*, allowed: at least 2"),
        ({"crosses": [{"name": "x", "columns": ["city", "price"]}]},
         "features.crosses.x.columns: found 'price', allowed: city, hour, scenario_id, shop, user, weekday"),
        ({"crosses": [{"name": "x", "columns": ["city", "clicked"]}]}, "found 'clicked', allowed"),
        ({"crosses": [{"name": "x", "columns": ["city", "city"]}]}, "allowed: different columns"),
        ({"crosses": [{"name": "hour", "columns": ["city", "shop"]}]}, "features.crosses.hour: the name is taken"),
        ({"crosses": [{"name": "x", "columns": ["city", "shop"]}] * 2}, "features.crosses.x: the name is taken"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_refused(features: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        plain(**features)


def test_a_minimum_count_belongs_to_ids() -> None:
    columns = [one | {"min_count": 2} if one["name"] == "price" else one for one in CONTRACT["columns"]]
    with pytest.raises(ContractError, match="columns.price.min_count: found 2, allowed: none without encode"):
        tiny_contract(columns=columns)
