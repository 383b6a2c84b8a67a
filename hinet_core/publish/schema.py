"""What a snapshot holds: its tables, their columns, keys and rules. The dashboards know this and nothing else of us.

Days are DATE, moments are TIMESTAMP in UTC, shares and rates are 0-1, and no row is about one user. Adding a column
or a table keeps the version; anything a reader could trip over raises it.
"""

from hinet_core.publish.own_log import OWN_LOG
from hinet_core.publish.table import Table
from hinet_core.publish.table import columns_of as _columns
from hinet_core.publish.table import one_of as _one_of

SCHEMA_VERSION = 1

_INTERVAL = "low DOUBLE, high DOUBLE, level DOUBLE, method VARCHAR, n BIGINT"
_LIFT = """kind VARCHAR, metric VARCHAR, scope VARCHAR, scenario_id VARCHAR, as_of DATE, model_a VARCHAR,
            model_b VARCHAR, estimator VARCHAR, status VARCHAR, reason VARCHAR, lift DOUBLE, low DOUBLE, high DOUBLE,
            level DOUBLE, method VARCHAR, n_users BIGINT, n_requests BIGINT, orders_a DOUBLE, orders_b DOUBLE,
            value_a DOUBLE, value_b DOUBLE, oracle_lift DOUBLE, logger_lift DOUBLE, random_lift DOUBLE,
            true_lift DOUBLE, p_raw DOUBLE, p_bh DOUBLE, mde80 DOUBLE, ess DOUBLE, support_orders BIGINT,
            n_seeds INTEGER, world_hash VARCHAR, seed INTEGER, code_version VARCHAR"""
_LIFT_KEY = ("kind", "metric", "scope", "scenario_id", "as_of", "model_a", "model_b", "estimator")
_LIFT_RULES = _one_of("status", "estimated", "not_estimable") | {
    "an estimated lift is a finite number": "status = 'estimated' AND (lift IS NULL OR isnan(lift) OR isinf(lift))",
    "a lift that is not estimable says why and shows no number": (
        "status = 'not_estimable' AND (lift IS NOT NULL OR coalesce(reason, '') = '')"
    ),
}
_A_NUMBER_OR_A_REASON = "coalesce(isnan({0}) OR isinf({0}), false) OR (({0} IS NULL) = (coalesce({1}, '') = ''))"

TABLES = (
    Table(
        "publish_manifest",
        ("publish_id",),
        _columns(
            """publish_id VARCHAR, published_at TIMESTAMP, schema_version INTEGER, contract VARCHAR, title VARCHAR,
            description VARCHAR, time_zone VARCHAR, data_through DATE, retrain_at VARCHAR, code_version VARCHAR,
            data_fingerprint VARCHAR, full_fingerprint VARCHAR, dagster_base_url VARCHAR, n_tables INTEGER"""
        ),
    ),
    Table(
        "table_manifest",
        ("table_name",),
        _columns("table_name VARCHAR, n_rows BIGINT, content_hash VARCHAR, source_table VARCHAR, max_day DATE"),
    ),
    Table(
        "scenarios",
        ("scenario_id",),
        _columns(
            """scenario_id VARCHAR, name VARCHAR, sort_order INTEGER, modelled BOOLEAN, impressions BIGINT,
            traffic_share DOUBLE"""
        ),
    ),
    Table(
        "tasks",
        ("task",),
        _columns("task VARCHAR, name VARCHAR, unit VARCHAR, after VARCHAR, sort_order INTEGER"),
    ),
    Table(
        "metrics",
        ("metric",),
        _columns("metric VARCHAR, name VARCHAR, description VARCHAR, unit VARCHAR, better VARCHAR, sort_order INTEGER"),
        rules=_one_of("better", "higher", "lower", "near 1", "unknown"),
    ),
    Table(
        "models",
        ("model",),
        _columns(
            """model VARCHAR, display_name VARCHAR, role VARCHAR, color_slot INTEGER, champion_version VARCHAR,
            champion_as_of DATE, champion_reason VARCHAR"""
        ),
        rules=_one_of("role", "champion", "challenger", "baseline"),
    ),
    Table(
        "runs",
        ("run_id",),
        _columns(
            """run_id VARCHAR, model VARCHAR, as_of DATE, version VARCHAR, seed INTEGER, status VARCHAR,
            started_at TIMESTAMP, finished_at TIMESTAMP, duration_s DOUBLE, device VARCHAR, n_params BIGINT,
            n_train BIGINT, best_epoch INTEGER, preset VARCHAR, params_hash VARCHAR, code_version VARCHAR,
            data_fingerprint VARCHAR, full_fingerprint VARCHAR, train_from DATE, train_to DATE, valid_day DATE"""
        ),
        source="runs",
    ),
    Table(
        "run_params",
        ("run_id", "key"),
        _columns("run_id VARCHAR, key VARCHAR, value VARCHAR"),
        source="run_params",
    ),
    Table(
        "train_curves",
        ("run_id", "task", "split", "metric", "step"),
        _columns(
            """run_id VARCHAR, task VARCHAR, split VARCHAR, metric VARCHAR, epoch DOUBLE, step BIGINT, wall_s DOUBLE,
            value DOUBLE"""
        ),
        source="train_curves",
    ),
    Table(
        "eval_metrics",
        ("run_id", "as_of", "scope", "scenario_id", "task", "split", "metric"),
        _columns(
            f"""run_id VARCHAR, model VARCHAR, as_of DATE, scope VARCHAR, scenario_id VARCHAR, task VARCHAR,
            split VARCHAR, metric VARCHAR, value DOUBLE, {_INTERVAL}, n_positives BIGINT, n_users BIGINT,
            null_reason VARCHAR"""
        ),
        source="eval_metrics",
        rules=_one_of("scope", "scenario", "pooled", "macro")
        | {"a metric has a finite value or a reason": _A_NUMBER_OR_A_REASON.format("value", "null_reason")},
    ),
    Table(
        "eval_deltas",
        ("run_id", "baseline_run_id", "as_of", "scope", "scenario_id", "task", "split", "metric"),
        _columns(
            f"""run_id VARCHAR, baseline_run_id VARCHAR, model VARCHAR, baseline VARCHAR, as_of DATE, scope VARCHAR,
            scenario_id VARCHAR, task VARCHAR, split VARCHAR, metric VARCHAR, delta DOUBLE, {_INTERVAL},
            null_reason VARCHAR"""
        ),
        source="eval_deltas",
        rules={"a difference has a finite value or a reason": _A_NUMBER_OR_A_REASON.format("delta", "null_reason")},
    ),
    Table(
        "dq_results",
        ("day", "day_status", "check_name", "column_name", "scenario_id"),
        _columns(
            """day DATE, day_status VARCHAR, check_name VARCHAR, kind VARCHAR, column_name VARCHAR,
            scenario_id VARCHAR, rule_text VARCHAR, severity VARCHAR, status VARCHAR, observed DOUBLE,
            expected_low DOUBLE, expected_high DOUBLE, unexpected_count BIGINT, n_rows BIGINT, sample VARCHAR,
            note VARCHAR"""
        ),
        source="dq_results",
        rules=_one_of("severity", "critical", "warning", "info")
        | _one_of("status", "pass", "fail")
        | _one_of("day_status", "committed", "blocked"),
    ),
    Table(
        "drift",
        ("day", "reference", "scenario_id", "feature", "metric"),
        _columns(
            """day DATE, reference VARCHAR, feature VARCHAR, kind VARCHAR, scenario_id VARCHAR, metric VARCHAR,
            value DOUBLE, low DOUBLE, high DOUBLE, n BIGINT, n_reference BIGINT, status VARCHAR, note VARCHAR"""
        ),
        source="drift",
        rules=_one_of("reference", "trailing", "champion")
        | _one_of("metric", "psi", "js", "rate_change")
        | _one_of("status", "pass", "fail", "low_count", "not_judged"),
    ),
    Table(
        "ingest_days",
        ("day",),
        _columns(
            """day DATE, status VARCHAR, rows_read BIGINT, rows_kept BIGINT, rows_duplicate BIGINT,
            rows_quarantined BIGINT"""
        ),
        source="ingest_files",
        rules=_one_of("status", "committed", "blocked", "gap")
        | {"rows read = kept + duplicate + quarantined": "rows_read <> rows_kept + rows_duplicate + rows_quarantined"},
    ),
    Table(
        "ingest_counters",
        ("day", "counter", "detail"),
        _columns("day DATE, counter VARCHAR, detail VARCHAR, rows BIGINT"),
        source="ingest_counters",
    ),
    Table(
        "label_rates",
        ("day", "scenario_id", "task"),
        _columns(
            """day DATE, scenario_id VARCHAR, task VARCHAR, rate DOUBLE, low DOUBLE, high DOUBLE, n BIGINT,
            n_positives BIGINT"""
        ),
        source="label_rates",
    ),
    Table("lift", _LIFT_KEY, _columns(_LIFT), source="lift", rules=_LIFT_RULES),
    Table("lift_test", _LIFT_KEY, _columns(_LIFT), source="lift_test", rules=_LIFT_RULES),
    Table(
        "lift_guardrails",
        _LIFT_KEY,
        _columns(f"{_LIFT}, margin DOUBLE, verdict VARCHAR, worst DOUBLE"),
        source="lift_guardrails",
        rules=_LIFT_RULES
        | {
            "a guardrail that is estimated holds, is broken or is undecided": (
                "status = 'estimated' AND coalesce(verdict, '') NOT IN ('holds', 'broken', 'undecided')"
            )
        },
    ),
    Table(
        "lift_days",
        (*_LIFT_KEY, "test_day"),
        _columns(
            f"""{_LIFT}, test_day INTEGER, sequential_low DOUBLE, sequential_high DOUBLE, p_sequential DOUBLE,
            tau DOUBLE"""
        ),
        source="lift_days",
        rules=_LIFT_RULES,
    ),
    Table(
        "lift_splits",
        ("as_of", "model_a", "model_b", "scope", "scenario_id"),
        _columns(
            """scope VARCHAR, scenario_id VARCHAR, as_of DATE, model_a VARCHAR, model_b VARCHAR, light VARCHAR,
            reason VARCHAR, p DOUBLE, detectable DOUBLE, users_a BIGINT, users_b BIGINT, world_hash VARCHAR,
            seed INTEGER, code_version VARCHAR"""
        ),
        source="lift_splits",
        rules={
            "a split has a light or a reason": (
                "(light IS NULL AND coalesce(reason, '') = '') OR light NOT IN ('green', 'amber', 'red')"
            )
        },
    ),
    Table(
        "lift_calibration",
        ("day", "suite", "name"),
        _columns(
            """day DATE, suite VARCHAR, name VARCHAR, value DOUBLE, low DOUBLE, high DOUBLE, inside BOOLEAN,
            replications INTEGER, seed INTEGER, code_version VARCHAR"""
        ),
        source="lift_calibration",
        rules={
            "a figure is inside of its bounds, or said to be outside": (
                "inside IS DISTINCT FROM coalesce(value BETWEEN low AND high, false)"
            )
        },
    ),
    *OWN_LOG,
)
