"""The grammar says what is wrong, where, and what is allowed; fingerprints change exactly when they should."""

import copy

import duckdb
import pytest

from hinet_core.contract import Contract, ContractError, load_contract, packaged_contracts, parse_contract, values


def test_packaged_contracts_load():
    assert packaged_contracts() == [
        "aliccp", "aliccp_aitm", "aliexpress", "kuairand", "kuairand_1k", "kuairand_27k", "kuairand_pure", "meishi",
        "open_bandit", "taobao_ads", "tenrec", "tenrec_ctr",
    ]  # fmt: skip
    kuairand = load_contract("kuairand")
    assert [one.id for one in kuairand.modelled] == ["0", "1", "2", "4", "6"]
    assert len(kuairand.scenarios) == 15
    assert [task.name for task in kuairand.tasks] == ["click", "long_view"]
    meishi = load_contract("meishi")
    assert len(meishi.modelled) == 6
    assert [task.name for task in meishi.tasks] == ["click", "order"]


def test_kuairand_inputs_hold_no_outcome_and_no_statistics():
    kuairand = load_contract("kuairand")
    names = {column.name for column in kuairand.inputs}
    assert not names & {"is_click", "long_view", "play_time_ms", "profile_stay_time", "comment_stay_time", "is_like"}
    assert all("statistic" not in source.files for source in kuairand.sources)


MISTAKES = [
    (("time_zone",), "Mars/Base", "time_zone: found 'Mars/Base', allowed: an IANA name such as 'Asia/Shanghai'"),
    (("columns", 0, "type"), "int63", "columns.user.type: found 'int63', allowed: 'int8', 'int16', 'int32'"),
    (("columns", 0, "rolle"), "user", "columns.user.rolle: unknown key; did you mean 'role'? docs/contract.md lists"),
    (("columns", 5, "encode"), "number", "a column with role 'outcome' can never be an input"),
    (("columns", 0, "name"), "day", "the name 'day' is kept for the platform"),
    (("columns", 5, "in_x"), False, "in_x: found false, allowed: with encode"),
    (("columns", 8, "encode"), "list", "encode = 'list' needs type"),
    (("tasks", 1, "window"), "soon", "tasks.order.window: found 'soon', allowed: a whole number with s, m, h or d"),
    (("tasks", 1, "after"), "buy", "tasks.order.after: found 'buy', allowed: an earlier task (click)"),
    (("tasks", 0, "label"), "price", "tasks.click.label: column 'price' has role 'feature', allowed: 'outcome'"),
    (("tasks", 1, "window"), "99999999999d", "tasks.order.window: found '99999999999d', allowed: at most 36500d"),
    (("tasks", 1, "window"), "36501d", "tasks.order.window: found '36501d', allowed: at most 36500d"),
    (("dedupe", "horizon_days"), 10**9, "dedupe.horizon_days: found 1000000000, allowed: at most 3650"),
    (("version",), float("nan"), "version: found nan, allowed: a number that is finite"),
    (("tasks", 1, "matures_after"), "1h", "matures_after (1h) is never shorter than window (1d)"),
    (("training",), {"models": ["hinett"]},
     "training.models[0]: found 'hinett', allowed: a file of hinet_core/models ("),
    (("version",), True, "version: found True, allowed: a whole number"),
    (("split",), {"train_days": "3"}, "split.train_days: found '3', allowed: a whole number"),
    (("training",), {"epochs": True}, "training.epochs: found True, allowed: a whole number"),
    (("training",), {"learning_rate": "0.1"}, "training.learning_rate: found '0.1', allowed: a number"),
    (("scenarios", 0, "modelled"), 1, "scenarios.home.modelled: found 1, allowed: true or false"),
    (("first_day",), 0, "first_day: found 0, allowed: a date such as 2026-03-01"),
    (("lift",), {"challenger": "din"}, "lift.challenger: found 'din', allowed: a file of hinet_core/models ("),
    (("dedupe", "key"), ["nobody"], "dedupe.key: found 'nobody', allowed: brand, clicked, item"),
    (("dedupe", "key"), ["user", "price"], "dedupe.key: 'price' may be missing"),
    (("sources", 1, "join"), {}, "kind 'side' needs join"),
    (("sources", 0, "files"), "../log.csv", "files is a pattern inside the landing folder"),
    (("columns", 1, "role"), "user", "role 'user' is held by user, item; allowed: one column"),
    (("columns", 0, "nullable"), True, "columns.user: a column with role 'user' can never be missing"),
    (("columns", 3, "nullable"), True, "columns.shown_at: a column with role 'time' can never be missing"),
    (("columns", 2, "source"), "items", "columns.place: role 'scenario' is read from source 'items'"),
    (("columns", 6, "source"), "items", "columns.ordered: role 'outcome' is read from source 'items'"),
    (("columns", 2, "type"), "float64", "role 'scenario' has a whole, text or bool type, found 'float64'"),
    (("columns", 8, "name"), "scenario_value", "the name 'scenario_value' is kept for the platform"),
    (("columns", 8, "name"), "User", "columns: 'user' is named 2 times, allowed: once"),
    (("scenarios", 1, "values"), ["1"], "scenario values: '1' is named 2 times, allowed: once"),
    (("features", "entities"), [{"name": "x", "keys": ["clicked"]}],
     "features.entities.x.keys: 'clicked' has role 'outcome', allowed: what is known before the exposure"),
    (("features", "entities", 0, "counts"), ["views"],
     "features.entities.user.counts: found 'views', allowed: click, impressions, order"),
    (("features", "entities", 0, "rates"), ["impressions"],
     "features.entities.user.rates: found 'impressions', allowed: click, order"),
    (("features", "entities", 0, "residual"), ["buy"],
     "features.entities.user.residual: found 'buy', allowed: click, order"),
    (("features", "recent"), [{"name": "x", "entity": "usr", "of": "item"}],
     "features.recent.x.entity: found 'usr', allowed: item, scenario, user"),
    (("features", "recent"), [{"name": "x", "entity": "user", "of": "itm"}], "features.recent.x.of: found 'itm'"),
    (("features", "recent"), [{"name": "x", "entity": "user", "of": "item", "task": "buy"}],
     "features.recent.x.task: found 'buy', allowed: click, order"),
    (("features", "recent"), [{"name": "x", "entity": "user", "of": "clicked"}],
     "features.recent.x.of: 'clicked' has role 'outcome', allowed: what is known before the exposure"),
    (("features", "recent"), [{"name": "x", "entity": "user", "of": "item", "length": 101}],
     "features.recent.x.length: found 101, allowed: at most 100"),
    (("features", "recent"), [{"name": "user_recency_days", "entity": "user", "of": "item"}],
     "features: 'user_recency_days' is the name of 2 computed features; rename an entity or a list"),
    (("features", "entities", 0, "recncy"), True, "features.entities.user.recncy: unknown key; did you mean 'recency'"),
    (("features", "entities"), [{"name": "u", "keys": ["user"], "rates": ["click", "click"]}],
     "features: 'u_click_rate_1d' is the name of 2 computed features"),
    (("columns", 8, "name"), "User_recency_days", "columns.User_recency_days: found the name of a computed feature"),
    (("quality",), {"task_rates": {"buy": {"low": 0}}}, "quality.task_rates: found 'buy', allowed: click, order"),
    (("quality",), {"history": {"new_shares": {"user": 0.5}}},
     "quality.history.new_shares: found 'user', allowed: brand, item"),
    (("quality",), {"history": {"min_weeks": 5}}, "quality.history.min_weeks: found 5, allowed: at most weeks (4)"),
    (("quality",), {"history": {"days": 2}}, "quality.history.min_days: found 3, allowed: at most days (2)"),
    (("quality",), {"drift": {"max_js": 1.5}}, "quality.drift.max_js: found 1.5, allowed: at most 1"),
    (("quality",), {"leaks": {"max_auc": 0.5}}, "quality.leaks.max_auc: found 0.5, allowed: more than 0.5"),
    (("quality",), {"leaks": {"maxauc": 0.9}}, "quality.leaks.maxauc: unknown key; did you mean 'max_auc'?"),
    (("schedule",), {"retrain_at": "25:00"}, "schedule.retrain_at: found '25:00', allowed: a time of day such"),
    (("columns", 1, "source"), "lgo", "columns.item.source: found 'lgo', allowed: items, log"),
    (("features", "windows_days"), [], "features.windows_days: found [], allowed: at least 1 item"),
    (("features", "window_days"), [1], "features.window_days: unknown key; did you mean 'windows_days'?"),
    (("quality",), {"task_rates": {"order": {"lo": 0}}}, "quality.task_rates.order.lo: unknown key; did you mean"),
    (("tasks", 0, "label"), [{"column": "clicked", "equal": 1}], "unknown key; did you mean 'equals'?"),
    (("zzz",), 1, "tiny.toml: zzz: unknown key; docs/contract.md lists the keys that exist"),
    (("scenarios",), [{"id": "1", "modelled": False}], "scenarios: found none with modelled = true, allowed: at least"),
    (("columns", 1, "pattern"), "[a", "columns.item.pattern: found '[a', allowed: a regular expression (unterminated"),
    (("columns", 1, "pattern"), r"a\Z", r"look-around and back-references, \Z, \u, \N"),
    (("columns", 1, "pattern"), "(?!x).*", "allowed: a regular expression without look-around and back-references"),
    (("sources", 0, "path_pattern"), "(?P<x", "sources.log.path_pattern: found '(?P<x', allowed: a regular expression"),
    (("sources", 0, "path_pattern"), "(a|b)/(?P<x>.)", "allowed: a regular expression whose groups all have names"),
    (("columns", 1, "min"), 1, "columns.item.min: found 1, allowed: none, since type 'string' is no number"),
    (("columns", 3, "max"), 9, "columns.shown_at.max: found 9, allowed: none, since type 'timestamp' is no number"),
    (("columns", 4, "min"), 11, "columns.slot.min: found 11, allowed: at most max (10)"),
    (("columns", 2, "from"), "path:nope", "columns.place.from: found 'path:nope', allowed by path_pattern of source"),
    (("columns", 3, "parse"), "epoch", "columns.shown_at.parse: found 'epoch', allowed: epoch_s, epoch_ms, epoch_us,"),
    (("columns", 3, "parse"), "%Y-%Q", "or a format such as '%d.%m.%Y %H:%M' (%Q is no directive)"),
    (("columns", 3, "parse"), "%Y %", "(% is no directive)"),
    (("columns", 1, "parse"), "iso", "columns.item.parse: found 'iso', allowed: none, since type 'string' is no time"),
    (("sources", 0, "encoding"), "utf-9", "sources.log.encoding: found 'utf-9', allowed: an encoding that Python"),
    (("sources", 0, "encoding"), "rot13", "sources.log.encoding: found 'rot13', allowed: an encoding that Python"),
    (("sources", 0, "delimiter"), r"\t", r"found '\\t', allowed: the character itself, which TOML writes with"),
    (("sources", 0), {"name": "log", "files": "l", "format": "csv", "header": False, "names": ["user"]},
     "columns.item.from: found 'item', allowed by the names of source 'log': user"),
    (("sources", 0, "delimiter"), "|||||", "sources.log.delimiter: found '|||||', allowed: 1 to 4 bytes of text"),
    (("quality",), {"task_rates": {"order": {"low": 0.5, "high": 0.1}}},
     "quality.task_rates.order.low: found 0.5, allowed: at most high (0.1)"),
    (("name",), "Dagster", "name: found 'Dagster', allowed: a name other than dagster and spill"),
    (("lift",), {"challenger": "../x"}, "lift.challenger: found '../x', allowed: letters (a-z, A-Z), digits and _"),
    (("lift",), {"baseline": "hinet"}, "lift.challenger: found 'hinet', allowed: another model than the baseline"),
    (("dedupe", "key"), "user", "dedupe.key: found 'user', allowed: a list"),
    (("split",), {"train_days": "x"}, "split.train_days: found 'x', allowed: a whole number"),
    (("split",), {"train_days": 0}, "split.train_days: found 0, allowed: at least 1"),
    (("first_day",), "March", "first_day: found 'March', allowed: a date such as 2026-03-01"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "value", "expected"), MISTAKES)
def test_a_mistake_names_key_found_and_allowed(tiny_raw, where, value, expected):
    part = tiny_raw
    for step in where[:-1]:
        part = part[step]
    part[where[-1]] = value
    with pytest.raises(ContractError) as caught:
        parse_contract(tiny_raw, "tiny.toml")
    lines = str(caught.value).split("\n")
    assert all(line.startswith("tiny.toml: ") for line in lines)
    assert expected in str(caught.value)


def test_what_is_expected_of_a_slot_needs_the_slot(tiny_raw):
    tiny_raw["features"]["entities"][1]["coec"] = ["click"]
    parse_contract(tiny_raw)
    del tiny_raw["columns"][4]
    with pytest.raises(ContractError, match=r"entities.item.coec: found \['click'\], allowed: none, since"):
        parse_contract(tiny_raw)


def test_a_list_is_no_key(tiny_raw):
    tiny_raw["columns"][9] |= {"type": "list<string>", "encode": "list"}
    tiny_raw["features"]["entities"] = [{"name": "brand", "keys": ["brand"]}]
    with pytest.raises(ContractError, match="brand.keys: 'brand' has type 'list<string>', allowed: a column of single"):
        parse_contract(tiny_raw)


def test_every_mistake_is_listed_at_once(tiny_raw):
    tiny_raw["columns"][0]["type"] = "int63"
    tiny_raw["tasks"][1]["window"] = "soon"
    tiny_raw["colour"] = "red"
    with pytest.raises(ContractError) as caught:
        parse_contract(tiny_raw)
    assert len(str(caught.value).split("\n")) == 3


def mistakes_of(raw) -> list[str]:
    with pytest.raises(ContractError) as caught:
        parse_contract(raw)
    return str(caught.value).split("\n")


def test_every_broken_reference_is_listed_and_nothing_that_leans_on_them(tiny_raw):
    tiny_raw["columns"][1]["source"] = "lgo"
    tiny_raw["dedupe"]["key"] = ["user", "itme"]
    tiny_raw["tasks"][0]["label"] = "clikced"
    tiny_raw["features"]["entities"][0]["keys"] = ["usre"]
    found = mistakes_of(tiny_raw)
    assert [line.split("found ")[1].split(",")[0] for line in found if "found '" in line][:4] == [
        "'lgo'", "'itme'", "'usre'", "'clikced'",
    ]  # fmt: skip


def test_a_list_with_a_wrong_item_is_not_called_empty(tiny_raw):
    tiny_raw["sources"] = [{"name": "log", "files": "*.csv", "format": "cvs"}]
    assert mistakes_of(tiny_raw) == ["contract: sources.log.format: found 'cvs', allowed: 'parquet', 'csv' or 'ndjson'"]


def test_allowed_time_formats_are_those_that_duckdb_reads():
    for directive in [*values.DIRECTIVES, *(f"-{one}" for one in values.SHORT_DIRECTIVES)]:
        form = values.time_format(f"%{directive}")
        duckdb.execute("select try_strptime(text, ?) from (values ('1')) as given(text)", [form]).fetchall()


def test_a_missing_role_is_named(tiny_raw):
    tiny_raw["columns"] = [one for one in tiny_raw["columns"] if one["name"] != "user"]
    with pytest.raises(ContractError, match="no column has role 'user'; give one column this role"):
        parse_contract(tiny_raw)


def test_an_outcome_under_another_name_is_still_an_outcome(tiny_raw):
    tiny_raw["columns"].append(
        {"name": "sneaky", "type": "int8", "role": "feature", "encode": "number", "from": "clicked"}
    )
    with pytest.raises(ContractError, match="columns.sneaky: reads 'clicked', which is the outcome 'clicked'"):
        parse_contract(tiny_raw)


def test_unknown_name_lists_the_names():
    with pytest.raises(ContractError, match="unknown name; allowed: aliccp, .*kuairand, .*meishi, .*or the path"):
        load_contract("meishy")
    with pytest.raises(ContractError, match="no such contract file"):
        load_contract("nowhere/x.toml")


def test_unreadable_toml_names_the_line(tmp_path):
    file = tmp_path / "broken.toml"
    file.write_text("name = ")
    with pytest.raises(ContractError, match=r"broken.toml: not readable as TOML: Invalid value \(at end of document\)"):
        load_contract(str(file))


def changed(raw: dict, *where, value) -> Contract:
    raw = copy.deepcopy(raw)
    part = raw
    for step in where[:-1]:
        part = part[step]
    part[where[-1]] = value
    return parse_contract(raw)


def test_fingerprints(tiny, tiny_raw):
    assert parse_contract(copy.deepcopy(tiny_raw)).full_fingerprint == tiny.full_fingerprint
    bound = changed(tiny_raw, "quality", value={"min_rows": 7})
    assert bound.data_fingerprint == tiny.data_fingerprint
    assert bound.full_fingerprint != tiny.full_fingerprint
    assert changed(tiny_raw, "columns", 8, "in_x", value=True).full_fingerprint == tiny.full_fingerprint
    word = changed(tiny_raw, "scenarios", 0, "title", value="Home page")
    assert word.data_fingerprint == tiny.data_fingerprint
    for where, value in [
        (("columns", 8, "encode"), "id"),
        (("columns", 8, "in_x"), False),
        (("scenarios", 2, "modelled"), True),
        (("tasks", 1, "matures_after"), "48h"),
        (("features", "windows_days"), [1, 7]),
    ]:
        assert changed(tiny_raw, *where, value=value).data_fingerprint != tiny.data_fingerprint


def test_maturity_is_whole_days(tiny, tiny_raw):
    assert tiny.maturity_days == 1
    assert changed(tiny_raw, "tasks", 1, "matures_after", value="25h").maturity_days == 2
    assert load_contract("kuairand").maturity_days == 0
