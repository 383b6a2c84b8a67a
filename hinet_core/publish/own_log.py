"""Tables of what a log says by itself: estimates from its propensities, and online tests that its owner ran."""

from hinet_core.publish.table import Table, columns_of, finite, one_of

VERDICTS = ("green", "amber", "refused")

OWN_LOG = (
    Table(
        "off_policy",
        ("question", "day", "scope", "scenario_id", "quantity", "estimator"),
        columns_of(
            """question VARCHAR, title VARCHAR, day DATE, first_day DATE, target VARCHAR, baseline VARCHAR,
            log_rows VARCHAR, truth_rows VARCHAR, task VARCHAR, seed INTEGER, code_version VARCHAR, scope VARCHAR,
            scenario_id VARCHAR, quantity VARCHAR, estimator VARCHAR, status VARCHAR, reason VARCHAR,
            estimate DOUBLE, se DOUBLE, low DOUBLE, high DOUBLE, level DOUBLE, method VARCHAR, unit VARCHAR,
            n_units BIGINT, n_requests BIGINT, n_rows BIGINT, truth DOUBLE, truth_low DOUBLE, truth_high DOUBLE,
            ess_rows DOUBLE, ess_share DOUBLE, max_weight DOUBLE, max_weight_share DOUBLE,
            top_variance_share DOUBLE, mean_weight DOUBLE, mean_weight_se DOUBLE, effective_orders DOUBLE,
            unseen_share DOUBLE, added_share DOUBLE, support_orders DOUBLE, switch_tau DOUBLE, dropped_share DOUBLE"""
        ),
        source="off_policy",
        rules=one_of("scope", "scenario", "pooled")
        | one_of("quantity", "value_b", "lift")
        | one_of("status", *VERDICTS)
        | finite("estimate", "low", "high", "truth")
        | {"an estimate is refused with a reason, or it is a number": (
            "(status = 'refused') <> (estimate IS NULL) OR (status = 'refused' AND coalesce(reason, '') = '')"
        )},
    ),
    Table(
        "off_policy_gates",
        ("question", "day", "scope", "scenario_id", "gate"),
        columns_of(
            """question VARCHAR, day DATE, scope VARCHAR, scenario_id VARCHAR, gate VARCHAR, quantity VARCHAR,
            value DOUBLE, rule VARCHAR, verdict VARCHAR, reason VARCHAR"""
        ),
        source="off_policy_gates",
        rules=one_of("verdict", *VERDICTS)
        | {"a gate that is not green says why": "verdict <> 'green' AND coalesce(reason, '') = ''"},
    ),
    Table(
        "own_tests",
        ("title", "metric", "scope", "scenario_id", "model_b"),
        columns_of(
            """title VARCHAR, kept_at TIMESTAMP, file VARCHAR, kind VARCHAR, metric VARCHAR, scope VARCHAR,
            scenario_id VARCHAR, model_a VARCHAR, model_b VARCHAR, estimator VARCHAR, status VARCHAR, reason VARCHAR,
            lift DOUBLE, low DOUBLE, high DOUBLE, level DOUBLE, method VARCHAR, n_users BIGINT, n_requests BIGINT,
            orders_a DOUBLE, orders_b DOUBLE, value_a DOUBLE, value_b DOUBLE, p_raw DOUBLE, p_bh DOUBLE,
            mde80 DOUBLE"""
        ),
        source="own_tests",
        rules=one_of("status", "estimated", "no_interval", "not_estimable")
        | finite("lift", "low", "high")
        | {"a lift that is not estimable says why and shows no number": (
            "(status = 'not_estimable') <> (lift IS NULL) OR (status <> 'estimated' AND coalesce(reason, '') = '')"
        )},
    ),
    Table(
        "own_test_splits",
        ("title", "scope", "scenario_id", "arm"),
        columns_of(
            """title VARCHAR, scope VARCHAR, scenario_id VARCHAR, arm VARCHAR, users BIGINT, intended_share DOUBLE,
            light VARCHAR, p DOUBLE, detectable DOUBLE, reason VARCHAR"""
        ),
        source="own_test_splits",
        rules={"a split has a light or a reason": "(light IS NULL) = (coalesce(reason, '') = '')"},
    ),
)
