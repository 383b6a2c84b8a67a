"""A small lake with planted values, written through the real lake, for the tests of snapshot and dashboards.

Fourteen days from 2026-03-01: the 9th is blocked by a critical check, the 11th has no data. Three models as of the
10th and the 12th. Scenario f has one class only for orders, so its AUC is undefined.
"""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
from planted_own_log import plant_estimates, plant_own_tests

from hinet_core.contract import Contract, load_contract
from hinet_core.lake import Lake

FIRST, BLOCKED, GAP = date(2026, 3, 1), date(2026, 3, 9), date(2026, 3, 11)
AS_OFS = (date(2026, 3, 10), date(2026, 3, 12))
CHAMPION = {"model": "hinet", "version": "hinet-2026-03-12-0a1b2c3d", "as_of": "2026-03-12", "reason": "latest run"}
SCENARIOS = {"a": 0.42, "b": 0.21, "c": 0.15, "d": 0.12, "e": 0.08, "f": 0.02}
TITLES = {"a": "Home", "b": "Nearby", "c": "Search", "d": "Late night", "e": "Coupons", "f": "New shops"}
MODELS = {"hinet": 0.012, "shared_bottom": 0.0, "mmoe": 0.004}
LIFTS = {
    "": (0.0187, 0.0096, 0.0278),
    "a": (0.0121, 0.0021, 0.0221),
    "b": (0.0234, 0.0102, 0.0366),
    "c": (0.0315, 0.0123, 0.0507),
    "d": (0.0088, -0.0112, 0.0288),
    "e": (-0.0042, -0.0302, 0.0218),
    "f": (0.0410, -0.0390, 0.1210),
}
CONTRACT = """
name = "tea"
title = "Tea: a planted log"
description = "Six places of one app"
time_zone = "Asia/Shanghai"
first_day = 2026-03-01
[dedupe]
key = ["user_id", "item_id", "shown_at"]
[[sources]]
name = "log"
files = "*.parquet"
format = "parquet"
[[columns]]
name = "user_id"
type = "int64"
role = "user"
[[columns]]
name = "item_id"
type = "int64"
role = "item"
[[columns]]
name = "place"
type = "string"
role = "scenario"
[[columns]]
name = "shown_at"
type = "timestamp"
role = "time"
[[columns]]
name = "clicked"
type = "bool"
role = "outcome"
[[columns]]
name = "ordered"
type = "bool"
role = "outcome"
[[tasks]]
name = "click"
title = "Click"
unit = "clicks per impression"
label = "clicked"
[[tasks]]
name = "order"
title = "Order"
unit = "orders per impression"
label = "ordered"
after = "click"
"""


def planted_contract(folder: Path, name: str = "tea") -> Contract:
    places = "".join(f'[[scenarios]]\nid = "{one}"\ntitle = "{TITLES[one]}"\n' for one in SCENARIOS)
    path = folder / f"{name}.toml"
    path.write_text(CONTRACT.replace('"tea"', f'"{name}"') + places)
    return load_contract(str(path))


def write(lake: Lake, step: str, day: date, tables: dict[str, list[dict]]) -> None:
    with lake.begin(step, day) as draft:
        for name, rows in tables.items():
            content = pa.Table.from_pylist(rows)
            draft.write_rows(name, content, content.schema)
        draft.commit({})


def plant(root: Path, lift_rows: list[dict] | None = None) -> Lake:
    """The whole lake; other lift rows may be given."""
    lake = Lake(root)
    plant_ingest(lake)
    for as_of in AS_OFS:
        plant_training(lake, as_of)
        write(lake, "evaluation", as_of, evaluation_rows(as_of))
        rows = estimated_lift(as_of) if lift_rows is None else lift_rows
        write(lake, "lift", as_of, {"lift": [row | {"as_of": as_of} for row in rows]})
        if lift_rows is None:
            write(lake, "lift_test", as_of, online_rows(as_of))
    if lift_rows is None:
        plant_estimates(lake)
        plant_own_tests(lake, root.parent)
    write(lake, "lift_calibration", AS_OFS[0], {"lift_calibration": calibration_rows(AS_OFS[0], out=2)})
    write(lake, "lift_calibration", AS_OFS[1], {"lift_calibration": calibration_rows(AS_OFS[1], out=1)})
    return lake


def plant_ingest(lake: Lake) -> None:
    for offset in range(14):
        day = FIRST + timedelta(days=offset)
        if day == GAP:
            continue
        kept, twice, refused = 20_000 + 100 * offset, 40 + offset, 5 if day != BLOCKED else 4_000
        counts = {
            "rows_read": kept + twice + refused,
            "rows_kept": kept,
            "rows_duplicate": twice,
            "rows_quarantined": refused,
        }
        files = [{"day": day, "source_file": "log.parquet", **counts}]
        tables = {"ingest_files": files, "dq_results": findings(day, counts)}
        if day != BLOCKED:
            write(lake, "ingest", day, tables | {"ingest_counters": counters(day, kept, refused)})
            write(lake, "drift", day, {"drift": drift(day)})
            continue
        with lake.begin("ingest", day) as draft:
            for name, rows in tables.items():
                content = pa.Table.from_pylist(rows)
                draft.write_rows(name, content, content.schema)
            draft.abandon(keep=True)


def drift(day: date) -> list[dict]:
    """Of every scenario one feature and one rate; the price of scenario e has moved on the 13th."""
    rows = []
    for one in SCENARIOS:
        moved = one == "e" and day == date(2026, 3, 13)
        cell = {"day": day, "reference": "trailing", "scenario_id": one, "n": 2_000, "n_reference": 25_000}
        psi = {"feature": "price", "kind": "number", "metric": "psi", "value": 0.4 if moved else 0.01, "low": None,
               "high": None, "status": "fail" if moved else "pass", "note": "at most 0.25"}  # fmt: skip
        rate = {"feature": "click", "kind": "label", "metric": "rate_change", "value": 0.002, "low": -0.01,
                "high": 0.014, "status": "pass", "note": "rate from 0.158 to 0.16"}  # fmt: skip
        rows += [cell | psi, cell | rate]
    return rows


def counters(day: date, kept: int, refused: int) -> list[dict]:
    base = {"day": day, "source_file": "log.parquet"}
    rows = [
        base | {"counter": "scenario_rows", "detail": one, "rows": round(kept * share)}
        for one, share in SCENARIOS.items()
    ]
    rows.append(base | {"counter": "reason", "detail": "shown_at: not a timestamp", "rows": refused})
    rows.append(base | {"counter": "funnel_violation", "detail": "order", "rows": 7})
    return rows


def findings(day: date, counts: dict[str, int]) -> list[dict]:
    def row(check: str, kind: str, severity: str, ok: bool, observed: float, high: float, **more: object) -> dict:
        base = {"day": day, "check_name": check, "kind": kind, "column_name": "", "scenario_id": ""}
        base |= {"severity": severity, "status": "pass" if ok else "fail", "observed": observed}
        base |= {"expected_low": 0.0, "expected_high": high, "unexpected_count": 0 if ok else 3}
        return base | {"rule_text": f"{kind} at most {high}", "n_rows": counts["rows_kept"], "sample": ""} | more

    share = counts["rows_quarantined"] / counts["rows_read"]
    warn = day == date(2026, 3, 13)
    rows = [
        row("quarantined_share", "quarantined_share", "critical", share <= 0.05, share, 0.05),
        row("not_empty", "not_empty", "critical", True, counts["rows_kept"], 1e9),
    ]
    rows += [
        row(f"not_null:{name}", "not_null", "critical", True, 0.0, 0.0, column_name=name)
        for name in ("user_id", "item_id", "place", "shown_at")
    ]
    for one in SCENARIOS:
        low_rate = warn and one == "e"
        observed = 0.31 if low_rate else 0.16
        extra = {"scenario_id": one, "sample": '["u:9f2c"]' if low_rate else ""}
        rows.append(row(f"task_rate:click:{one}", "task_rate", "warning", not low_rate, observed, 0.25, **extra))
    return rows


def plant_training(lake: Lake, as_of: date) -> None:
    for model in MODELS:
        run = run_row(model, as_of)
        params = [{"run_id": run["run_id"], "key": "learning_rate", "value": "0.001"}]
        curves = [
            {"run_id": run["run_id"], "task": "click", "split": split, "metric": "loss", "epoch": float(epoch),
             "step": epoch * 100, "wall_s": epoch * 1.5, "value": 0.6 / (epoch + 1)}
            for split in ("train", "valid") for epoch in range(3)
        ]  # fmt: skip
        write(lake, f"train/{model}", as_of, {"runs": [run], "run_params": params, "train_curves": curves})


def run_row(model: str, as_of: date) -> dict:
    started = pa.scalar(f"{as_of}T03:00:00").cast(pa.timestamp("us")).as_py()
    return {
        "run_id": f"{model}-{as_of}", "model": model, "as_of": as_of, "version": f"{model}-{as_of}-0a1b2c3d",
        "seed": 1, "status": "finished", "started_at": started, "finished_at": started + timedelta(seconds=64),
        "duration_s": 64.0, "device": "cpu", "n_params": 48_211, "n_train": 150_000, "best_epoch": 2,
        "preset": "quick", "params_hash": "aa", "code_version": "0.1.0", "data_fingerprint": "d",
        "full_fingerprint": "f", "train_from": FIRST, "train_to": as_of - timedelta(days=3),
        "valid_day": as_of - timedelta(days=2),
    }  # fmt: skip


def evaluation_rows(as_of: date) -> dict[str, list[dict]]:
    metrics, deltas, rates = [], [], []
    scopes = [("pooled", ""), ("macro", "")] + [("scenario", one) for one in SCENARIOS]
    for scope, scenario in scopes:
        n = round(40_000 * SCENARIOS.get(scenario, 1.0))
        for number, task in enumerate(("click", "order")):
            undefined = scenario == "f" and task == "order"
            for model, gain in MODELS.items():
                cell = {"as_of": as_of, "scope": scope, "scenario_id": scenario, "task": task, "split": "judged"}
                cell |= {"level": 0.95, "method": "bootstrap over users", "n": n}
                cell |= {"n_positives": 0 if undefined else n // (6 + 40 * number), "n_users": n // 8}
                size = 0.6 / max(n, 1) ** 0.5
                auc = 0.7012 + 0.03 * number + gain + (0.01 * (ord(scenario) - 99) if scenario else 0.0)
                for metric, value in (("auc", auc), ("logloss", 0.42 - gain), ("predicted_over_observed", 1.03)):
                    known = {"value": value, "low": value - size, "high": value + size, "null_reason": None}
                    if undefined:
                        known = {"value": None, "low": None, "high": None, "null_reason": "one class only"}
                    metrics.append(cell | known | {"run_id": f"{model}-{as_of}", "model": model, "metric": metric})
                if model != "shared_bottom" and not undefined:
                    delta = {"delta": gain, "low": gain - size / 3, "high": gain + size / 3, "null_reason": None}
                    names = {"run_id": f"{model}-{as_of}", "baseline_run_id": f"shared_bottom-{as_of}"}
                    names |= {"model": model, "baseline": "shared_bottom", "metric": "auc"}
                    deltas.append(cell | delta | names)
    for day in (as_of, as_of + timedelta(days=1)):
        for one, share in SCENARIOS.items():
            n = round(20_000 * share)
            rates += [
                {"day": day, "scenario_id": one, "task": task, "rate": rate, "low": rate * 0.95, "high": rate * 1.05,
                 "n": n, "n_positives": round(n * rate)}
                for task, rate in (("click", 0.16), ("order", 0.02))
            ]  # fmt: skip
    return {"eval_metrics": metrics, "eval_deltas": deltas, "label_rates": rates}


def estimated_lift(as_of: date) -> list[dict]:
    rows = []
    for scenario, (lift, low, high) in LIFTS.items():
        share = SCENARIOS.get(scenario, 1.0)
        rows.append(
            {"kind": "artifact", "metric": "orders_per_request", "scope": "scenario" if scenario else "pooled",
             "scenario_id": scenario, "as_of": as_of, "model_a": "shared_bottom", "model_b": "hinet",
             "estimator": "L1", "status": "estimated", "reason": None, "lift": lift, "low": low, "high": high,
             "level": 0.95, "method": "user-clustered ratio", "n_users": round(5000 * share),
             "n_requests": round(20_000 * share), "orders_a": 4_000 * share, "orders_b": 4_000 * share * (1 + lift),
             "value_a": 0.2, "value_b": 0.2 * (1 + lift), "oracle_lift": 0.116, "logger_lift": -0.021,
             "random_lift": -0.187, "true_lift": None, "p_raw": 0.01, "p_bh": 0.02, "mde80": 0.013,
             "ess": None, "support_orders": None, "n_seeds": 1, "world_hash": "5f3a9c1d", "seed": 1,
             "code_version": "0.1.0"}
        )  # fmt: skip
    return rows


def online_rows(as_of: date) -> dict[str, list[dict]]:
    """An online test that saw +3.1 % where +1.87 % is true, over three days, and two guardrails of the same replay."""
    lifts, guards, days = [], [], []
    for row in estimated_lift(as_of):
        online = {"estimator": "L3", "true_lift": row["lift"], "mde80": 0.061, "n_users": 3_100, "n_requests": 9_000}
        lifts.append(row | {"estimator": "L2", "true_lift": row["lift"], "lift": row["lift"] + 0.001})
        lifts.append(row | online | {"lift": 0.031, "low": -0.012, "high": 0.076, "orders_a": 905.0, "orders_b": 933.0})
        for metric, verdict in (("ctr", "holds"), ("price", "undecided")):
            broken = metric == "price" and row["scenario_id"] == "e"
            limit = {"margin": 0.05, "verdict": "broken" if broken else verdict, "worst": 0.04, "lift": 0.01}
            guards.append(row | {"metric": metric} | limit)
    for day in (1, 2, 3):
        late = {"lift": 0.02 + 0.01 * day, "low": -0.3 / day, "high": 0.3 / day} if day > 1 else {
            "lift": None, "low": None, "high": None, "status": "not_estimable", "reason": "insufficient: 3 orders"
        }  # fmt: skip
        band = {"sequential_low": -0.5 / day, "sequential_high": 0.6 / day} if day > 1 else {
            "sequential_low": None, "sequential_high": None
        }  # fmt: skip
        known = {"estimator": "L3", "true_lift": 0.0187, "test_day": day, "p_sequential": 1.0, "tau": 0.061}
        days.append(estimated_lift(as_of)[0] | known | band | late)
    split = {"scope": "pooled", "scenario_id": "", "as_of": as_of, "model_a": "shared_bottom", "model_b": "hinet",
             "light": "green", "reason": None, "p": 0.62, "detectable": 0.03, "users_a": 1_563, "users_b": 1_537,
             "world_hash": "5f3a9c1d", "seed": 1, "code_version": "0.1.0"}  # fmt: skip
    return {"lift_test": lifts, "lift_guardrails": guards, "lift_days": days, "lift_splits": [split]}


def calibration_rows(day: date, out: int) -> list[dict]:
    """Eight figures of which some are out of their bounds."""
    names = ["T1 orders/user, pooled: identical arms rejected at 5 %", *(f"T3 cell {n}: coverage" for n in range(7))]
    return [
        {"day": day, "suite": "online", "name": name, "value": 0.05 if number >= out else 0.5, "low": 0.03,
         "high": 0.07, "inside": number >= out, "replications": 200, "seed": 0, "code_version": "commit 1a2b3c4d5e"}
        for number, name in enumerate(reversed(names))
    ]  # fmt: skip


def refused_lift() -> list[dict]:
    empty = dict.fromkeys(
        ("lift", "low", "high", "level", "method", "n_users", "n_requests", "orders_a", "orders_b", "value_a",
         "value_b", "oracle_lift", "logger_lift", "random_lift", "true_lift", "p_raw", "p_bh", "mde80", "ess",
         "support_orders", "n_seeds", "world_hash")
    )  # fmt: skip
    return [
        {"kind": "artifact", "metric": "orders_per_request", "scope": "pooled", "scenario_id": "",
         "model_a": "shared_bottom", "model_b": "hinet", "estimator": "L1", "status": "not_estimable",
         "reason": "the log carries no propensities and no world is known", "seed": 1, "code_version": "0.1.0"} | empty
    ]  # fmt: skip
