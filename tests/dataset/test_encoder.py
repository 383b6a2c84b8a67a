"""Encoding, worked out by hand: ids, missing and unseen, numbers, lists, slots, and labels as of a day."""

import hashlib
import json
import math
import random
from datetime import date
from pathlib import Path

import duckdb
import pytest
import torch
from example_rows import DAY, SETTLED, START, field, number, plain, relation_of, shown
from tiny_log import CONTRACT, HOUR_US, random_rows, row, tiny_contract

from hinet_core.contract import ContractError, load_contract
from hinet_core.dataset import Batch, Dataset, Encoder, EncodingError
from hinet_core.dataset.training_set import write
from hinet_core.lake import connect


def md5_halves(text: str, signed: bool = False) -> tuple[int, int]:
    """The first and the last eight bytes of a text's MD5."""
    digest = hashlib.md5(text.encode()).digest()
    first, last = (int.from_bytes(half, "little", signed=signed) for half in (digest[:8], digest[8:]))
    return first, last


def same(left: Dataset, right: Dataset) -> bool:
    names = [name for name, value in vars(left).items() if isinstance(value, torch.Tensor)]
    pairs = [(getattr(left, name), getattr(right, name)) for name in names]
    pairs += [(left.lists[name], right.lists[name]) for name in left.lists]
    return all(one.dtype == other.dtype and torch.equal(one, other) for one, other in pairs)


def test_ids_by_falling_count_then_token(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = plain()
    cities = ["b", "a", "c", "c", "c", "b", "a", "rare", None]
    rows = relation_of(con, contract, tmp_path, shown(9, city=cities))
    encoder = Encoder.fit(con, contract, rows)
    # c is seen most, a and b tie, the rare one shares the unseen id, the missing value is a token of its own.
    assert field(encoder, encoder.transform(con, rows, SETTLED), "city") == [4, 3, 2, 2, 2, 4, 3, 1, 5]
    other = relation_of(con, contract, tmp_path, shown(3, city=["never seen", None, "c"]))
    assert field(encoder, encoder.transform(con, other, SETTLED), "city") == [1, 5, 2]
    assert {one.name: one.width for one in encoder.spec.fields}["city"] == 6


def test_missing_is_unseen_where_the_window_had_none(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = plain()
    encoder = Encoder.fit(con, contract, relation_of(con, contract, tmp_path, shown(2, city=["a", "a"])))
    later = relation_of(con, contract, tmp_path, shown(1, city=[None]))
    assert field(encoder, encoder.transform(con, later, SETTLED), "city") == [1]


def test_hour_and_weekday_are_fields_and_the_user_is_not(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = plain()
    rows = [row("UTC", START + hour * HOUR_US, hour) for hour in (0, 0, 5, 5, 5)]
    encoder = Encoder.fit(con, contract, relation_of(con, contract, tmp_path, rows))
    assert [one.name for one in encoder.spec.fields] == ["shop", "city", "hour", "weekday"]
    tokens = [(one["field"], one["token"]) for one in encoder.vocabulary.to_pylist()]
    calendar = [one for one in tokens if one[0] in ("hour", "weekday")]
    assert calendar == [("hour", "5"), ("hour", "0"), ("weekday", "2")]  # 6 March 2024 is a Wednesday


def test_numbers_are_centred_scaled_and_clipped(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = plain()
    prices = [-1.0, 1.0, 3.0, None, math.nan]
    rows = relation_of(con, contract, tmp_path, shown(5, price=prices))
    encoder = Encoder.fit(con, contract, rows)
    dataset = encoder.transform(con, rows, SETTLED)
    scale = math.sqrt(8 / 3)
    expected = [-2 / scale, 0, 2 / scale, 0, 0]
    assert number(encoder, dataset, "price") == pytest.approx(expected, abs=1e-5)
    assert number(encoder, dataset, "price_missing") == [0, 0, 0, 1, 1]
    far = relation_of(con, contract, tmp_path, shown(2, price=[1e9, -1e9]))
    assert number(encoder, encoder.transform(con, far, SETTLED), "price") == [4, -4]


def test_a_range_wider_than_any_number_is_scaled_too(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """1e308 minus -1e308 is infinite; the deviation, 1e308 times the root of 2/3, is not."""
    rows = relation_of(con, plain(), tmp_path, shown(4, price=[1e308, -1e308, 0.0, None]))
    encoder = Encoder.fit(con, plain(), rows)
    expected = [math.sqrt(1.5), -math.sqrt(1.5), 0, 0]
    assert number(encoder, encoder.transform(con, rows, SETTLED), "price") == pytest.approx(expected, abs=1e-5)


def test_heavy_numbers_are_taken_by_logarithm(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = plain()
    prices = [0.0, 1.0, 2.0, 5000.0]
    rows = relation_of(con, contract, tmp_path, shown(4, price=prices))
    encoder = Encoder.fit(con, contract, rows)
    logs = torch.log1p(torch.tensor(prices, dtype=torch.float64))
    expected = ((logs - logs.mean()) / logs.std(correction=0)).tolist()
    assert number(encoder, encoder.transform(con, rows, SETTLED), "price") == pytest.approx(expected, abs=1e-5)
    assert [one.transform for one in encoder.numbers] == ["log1p"]
    below = relation_of(con, contract, tmp_path, shown(1, price=[-7.0]))
    assert number(encoder, encoder.transform(con, below, SETTLED), "price") == pytest.approx(expected[:1], abs=1e-5)


def test_computed_numbers_are_read_as_they_declare(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = plain(entities=[{"name": "user", "keys": ["user"]}])
    encoder = Encoder.fit(con, contract, relation_of(con, contract, tmp_path, shown(2)))
    chosen = {one.name: one.transform for one in encoder.numbers if one.transform != "missing"}
    assert {name: chosen[name] for name in chosen if name != "price"} == {
        "user_impressions_1d": "log1p",
        "user_click_rate_1d": "logit",
        "user_order_rate_1d": "logit",
        "user_recency_days": "log1p",
    }


def test_a_missing_number_is_missing_under_a_logarithm_too(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = plain()
    rows = relation_of(con, contract, tmp_path, shown(5, price=[0.0, 1.0, 2.0, 5000.0, None]))
    encoder = Encoder.fit(con, contract, rows)
    assert [one.transform for one in encoder.numbers] == ["log1p", "missing"]
    dataset = encoder.transform(con, rows, SETTLED)
    assert number(encoder, dataset, "price")[4] == 0
    assert number(encoder, dataset, "price")[0] < -0.5
    assert number(encoder, dataset, "price_missing") == [0, 0, 0, 0, 1]


def test_a_constant_number_says_nothing(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = plain()
    rows = relation_of(con, contract, tmp_path, shown(3, price=[0.1, 0.1, 0.1]))
    encoder = Encoder.fit(con, contract, rows)
    assert number(encoder, encoder.transform(con, rows, SETTLED), "price") == [0, 0, 0]


def test_lists_are_padded_and_cut(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = plain()
    lists = [["a", "b"], ["b", None, "x"], [], None, ["b"] * 20, ["a"]]
    rows = relation_of(con, contract, tmp_path, shown(6, tags=lists))
    encoder = Encoder.fit(con, contract, rows)
    found = encoder.transform(con, rows, SETTLED).lists["tags"].tolist()
    empty = [0] * 8
    assert found == [[3, 2, *empty[2:]], [2, 1, *empty[2:]], empty, empty, [2] * 8, [3, *empty[1:]]]
    assert encoder.spec.lists[0].width == 4
    assert encoder.spec.lists[0].max_length == 8


def test_a_column_out_of_x_is_encoded_as_ever_and_its_cross_enters(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """The mark of a missing number goes with the number."""
    hidden, found = {"city", "price", "tags"}, []
    rows = shown(4, city=["a", "b", "a", None], price=[1.0, 2.0, None, 4.0], tags=[["a"], [], ["b", "a"], None])
    for in_x in (True, False):
        columns = [one | {"in_x": in_x} if one["name"] in hidden else one for one in CONTRACT["columns"]]
        crosses = [{"name": "where", "columns": ["city", "scenario_id"]}]
        contract = tiny_contract(columns=columns, features={"windows_days": [1], "crosses": crosses})
        relation = relation_of(con, contract, tmp_path, rows)
        encoder = Encoder.fit(con, contract, relation)
        encoder.to_folder(tmp_path / "encoder")
        spec = Encoder.from_folder(tmp_path / "encoder").spec
        inputs = (*spec.fields, *spec.numbers, *spec.lists)
        found.append((encoder.transform(con, relation, SETTLED), [one.name for one in inputs if one.in_x]))
    (whole, every), (fewer, entering) = found
    assert same(whole, fewer)
    assert entering == ["shop", "where", "hour", "weekday"]
    assert sorted(set(every) - set(entering)) == ["city", "price", "price_missing", "tags"]


def test_slots_count_from_the_first_and_unknown_is_none(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = plain()
    encoder = Encoder.fit(con, contract, relation_of(con, contract, tmp_path, shown(3, slot=[1, 2, 3])))
    assert encoder.spec.n_positions == 3
    later = relation_of(con, contract, tmp_path, shown(4, slot=[3, 9, None, -1]))
    assert encoder.transform(con, later, SETTLED).position_N.tolist() == [3, 3, 0, 0]


@pytest.mark.parametrize("as_of", [date(2024, 3, 7), date(2024, 3, 8), date(2024, 3, 9)])
def test_labels_as_they_were_known_at_the_cutoff(con: duckdb.DuckDBPyConnection, tmp_path: Path, as_of: date) -> None:
    """Orders settle 24 hours after the impression; the mask asks the clock, never the label."""
    contract = plain()
    noon = START + 12 * HOUR_US
    rows = [
        row("UTC", START, 0, order_us=START + HOUR_US),  # settled exactly at the first cutoff
        row("UTC", START + 1, 1, order_us=START + HOUR_US),  # ordered at once, but not settled for a microsecond
        row("UTC", noon, 2, order_us=noon + 14 * HOUR_US),  # the order is news of the 7th
        row("UTC", noon, 3),  # no order
        row("UTC", START + 25 * HOUR_US, 4, click=1),  # shown on the 7th
        row("UTC", noon, 5) | {"label_order": None},  # never observed
    ]
    dataset_rows = relation_of(con, contract, tmp_path, rows)
    encoder = Encoder.fit(con, contract, dataset_rows)
    dataset = encoder.transform(con, dataset_rows, as_of)
    known = {
        date(2024, 3, 7): ([1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]),
        date(2024, 3, 8): ([1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0]),
        date(2024, 3, 9): ([1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0]),
    }
    labels, mask = known[as_of]
    assert dataset.labels_NT[:, 1].tolist() == labels
    assert dataset.label_mask_NT[:, 1].tolist() == mask
    assert dataset.label_mask_NT[:, 0].tolist() == [1, 1, 1, 1, float(as_of > date(2024, 3, 7)), 1]


def test_a_late_outcome_beyond_its_promise_stays_unknown(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Known only 60 hours later: settled as absent on the 8th, present from the 9th on."""
    contract = plain()
    rows = relation_of(con, contract, tmp_path, [row("UTC", START, 0, order_us=START + 60 * HOUR_US)])
    encoder = Encoder.fit(con, contract, rows)
    found = [encoder.transform(con, rows, date(2024, 3, day)) for day in (7, 8, 9)]
    assert [one.label_mask_NT[0, 1].item() for one in found] == [1, 1, 1]
    assert [one.labels_NT[0, 1].item() for one in found] == [0, 0, 1]


def test_a_pure_function_of_the_rows_whatever_their_order(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = tiny_contract()
    rows = random_rows(0, "UTC", DAY, n_days=4, n=400)
    rows = [one for one in rows if one["scenario_id"] != "other"]
    left = relation_of(con, contract, tmp_path, rows)
    right = relation_of(con, contract, tmp_path, random.Random(1).sample(rows, len(rows)))
    one, other = Encoder.fit(con, contract, left), Encoder.fit(con, contract, right)
    assert one.vocabulary.equals(other.vocabulary)
    assert one.numbers == other.numbers
    dataset = one.transform(con, left, SETTLED)
    assert same(dataset, other.transform(con, right, SETTLED))
    assert dataset.fields_NF.is_contiguous()
    assert dataset.numbers_NK.is_contiguous()
    users = [one["user"] for one in sorted(rows, key=lambda one: one["record_number"])]
    assert dataset.user_N.tolist() == [md5_halves(user, signed=True)[1] for user in users]


def test_a_stream_gives_the_rows_of_transform_with_the_hash_of_their_identity(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = tiny_contract()
    rows = [one for one in random_rows(1, "UTC", DAY, n_days=3, n=300) if one["scenario_id"] != "other"]
    relation = relation_of(con, contract, tmp_path, rows)
    encoder = Encoder.fit(con, contract, relation)
    monkeypatch.setattr("hinet_core.dataset.encoder.ROWS_AT_ONCE", 50)
    streamed = {}
    for part, identity_N in encoder.stream(con, relation, SETTLED):
        assert len(part) == len(identity_N) <= 2048  # what DuckDB hands out at once
        streamed |= {int(key): part.batch(slice(i, i + 1)) for i, key in enumerate(identity_N)}
    whole = encoder.transform(con, relation, SETTLED)
    ordered = sorted(rows, key=lambda one: one["record_number"])
    assert len(streamed) == len(whole) == len(rows)
    for i, one in enumerate(ordered):
        _, key = md5_halves(f"{(DAY - date(1970, 1, 1)).days}|{one['record_number']}|{one['source_file']}")
        expected = whole.batch(slice(i, i + 1))
        assert all(torch.equal(a, b) for a, b in zip(flat(streamed[key]), flat(expected), strict=True))


def test_a_training_set_depends_neither_on_the_order_of_the_rows_nor_on_the_threads(tmp_path: Path) -> None:
    contract = tiny_contract()
    rows = [one for one in random_rows(1, "UTC", DAY, n_days=3, n=2000) if one["scenario_id"] != "other"]
    found = set()
    for threads, order in ((1, rows), (3, random.Random(1).sample(rows, len(rows)))):
        con = connect(threads=threads)
        relation = relation_of(con, contract, tmp_path, order)
        parts = Encoder.fit(con, contract, relation).stream(con, relation, SETTLED, {"map": 0.5})
        write(tmp_path / "set", parts, len(rows), shard_bytes=10_000 * threads)
        found.add(tuple((path.name, path.read_bytes()) for path in sorted((tmp_path / "set").iterdir())))
        con.close()
    assert len(found) == 1


def flat(batch: Batch) -> list[torch.Tensor]:
    return [one for one in vars(batch).values() if isinstance(one, torch.Tensor)] + list(batch.lists.values())


def test_outcomes_never_reach_the_inputs(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = plain()
    rows = shown(6, city=["a", "b"] * 3, price=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    changed = [one | {"clicked": 1, "label_click": 1, "label_order": 1, "ordered": 1} for one in rows]
    left, right = (relation_of(con, contract, tmp_path, one) for one in (rows, changed))
    one, other = (Encoder.fit(con, contract, each) for each in (left, right))
    before, after = one.transform(con, left, SETTLED), other.transform(con, right, SETTLED)
    assert torch.equal(before.fields_NF, after.fields_NF)
    assert torch.equal(before.numbers_NK, after.numbers_NK)
    assert not torch.equal(before.labels_NT, after.labels_NT)
    columns = [*contract.model_dump(mode="json", by_alias=True)["columns"]]
    columns[8] |= {"encode": "number"}
    with pytest.raises(ContractError, match="can never be an input"):
        tiny_contract(columns=columns)


def test_no_outcome_of_kuairand_is_in_its_plan() -> None:
    from hinet_core.dataset.plan import Plan

    contract = load_contract("kuairand")
    plan = Plan.of(contract)
    outcomes = {one.name for role in ("outcome", "known_at") for one in contract.columns_with(role)}
    assert outcomes
    assert not outcomes & {*plan.fields, *plan.numbers, *(one.name for one in plan.lists)}
    assert "user_id" not in plan.fields


def test_a_stored_encoder_is_the_same_encoder(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = tiny_contract()
    rows = [one for one in random_rows(2, "UTC", DAY, n_days=3) if one["scenario_id"] != "other"]
    relation = relation_of(con, contract, tmp_path, rows)
    encoder = Encoder.fit(con, contract, relation)
    encoder.to_folder(tmp_path / "encoder")
    restored = Encoder.from_folder(tmp_path / "encoder")
    assert sorted(path.name for path in (tmp_path / "encoder").iterdir()) == ["encoder.json", "vocabulary.parquet"]
    assert restored.spec == encoder.spec
    assert restored.plan == encoder.plan
    assert restored.spec.after == (-1, 0)
    assert same(restored.transform(con, relation, SETTLED), encoder.transform(con, relation, SETTLED))
    description = tmp_path / "encoder" / "encoder.json"
    content = json.loads(description.read_text())
    # Folders of before the funnel was stored do not know it.
    description.write_text(json.dumps(content | {"plan": {k: v for k, v in content["plan"].items() if k != "after"}}))
    assert Encoder.from_folder(tmp_path / "encoder").spec.after == ()
    for damaged in ("{", json.dumps(content | {"format": 1}), json.dumps(content | {"plan": {"ids": 5}}), "{}"):
        description.write_text(damaged)
        with pytest.raises(EncodingError, match="holds no readable encoder .* train this model again"):
            Encoder.from_folder(tmp_path / "encoder")
    description.unlink()
    with pytest.raises(EncodingError, match="holds no readable encoder .* train this model again"):
        Encoder.from_folder(tmp_path / "encoder")


def test_what_does_not_fit_is_refused(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = plain()
    rows = relation_of(con, contract, tmp_path, shown(1))
    encoder = Encoder.fit(con, contract, rows)
    with pytest.raises(EncodingError, match="rows of scenario other, which this encoder does not model"):
        encoder.transform(con, relation_of(con, contract, tmp_path, shown(1, place=["other"])), SETTLED)
    with pytest.raises(EncodingError, match="examples lack city"):
        encoder.transform(con, rows.project("* EXCLUDE (city)"), SETTLED)
    with pytest.raises(EncodingError, match="no row of a modelled scenario"):
        Encoder.fit(con, contract, rows.filter("false"))
    assert len(encoder.transform(con, rows.filter("false"), SETTLED)) == 0


def test_requests_are_numbered_for_judging_only(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    visit = {"name": "visit", "type": "int64", "role": "request", "nullable": True}
    contract = tiny_contract(columns=[*CONTRACT["columns"], visit], features={"windows_days": [1]})
    relation = relation_of(con, contract, tmp_path, shown(5))
    named = relation.project("* REPLACE (CASE WHEN record_number < 4 THEN record_number // 2 END AS visit)")
    encoder = Encoder.fit(con, contract, named)
    first, second, third, fourth, fifth = encoder.transform(con, named, SETTLED).request_N.tolist()
    assert first == second != third == fourth
    assert fifth not in (first, third)
    # A row that names no request is one of its own.
    absent = encoder.transform(con, relation, SETTLED).request_N
    assert len(absent.unique()) == 5
    (part, _), *_ = encoder.stream(con, named, SETTLED)
    assert part.request_N is None
    encoder.to_folder(tmp_path / "encoder")
    assert Encoder.from_folder(tmp_path / "encoder").plan.request == "visit"
    plain_relation = relation_of(con, plain(), tmp_path, shown(2))
    assert Encoder.fit(con, plain(), plain_relation).transform(con, plain_relation, SETTLED).request_N is None
