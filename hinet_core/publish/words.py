"""How metrics and models are called where people read them."""

# metric: name, description, unit, which direction is better
METRIC_WORDS = {
    "auc": (
        "AUC",
        "Chance that a positive example is ranked above a negative one, at equal position; 0.5 is guessing.",
        "0-1",
        "higher",
    ),
    "gauc": (
        "GAUC",
        "AUC inside each user's rows of a scenario, averaged over users by impressions: what ranking for a user sees.",
        "0-1",
        "higher",
    ),
    "pr_auc": (
        "PR-AUC",
        "Average precision over the positives, at equal position; guessing gives the rate of positives.",
        "0-1",
        "higher",
    ),
    "ndcg_10": (
        "NDCG@10",
        "Discounted gain of the first ten of a request over the best possible, for requests with both outcomes.",
        "0-1",
        "higher",
    ),
    "auc_logged": (
        "AUC at the logged slot",
        "AUC of scores that include the effect of the slot an example was shown in.",
        "0-1",
        "higher",
    ),
    "logloss": ("Logloss", "Mean negative log-likelihood of the labels.", "nats per example", "lower"),
    "normalized_entropy": (
        "Normalized entropy",
        "Logloss over that of predicting the rate of positives; below 1 is more than knowing the rate.",
        "ratio",
        "lower",
    ),
    "ece": (
        "Calibration error (ECE)",
        "Mean distance of predicted and observed rate over 20 bins of equally many examples.",
        "probability",
        "lower",
    ),
    "predicted_over_observed": (
        "Predicted / observed",
        "Sum of predicted probabilities over the number of positives; 1 is calibrated.",
        "ratio",
        "near 1",
    ),
    "logloss_before_calibration": (
        "Logloss before calibration",
        "Logloss of what the model says before its last step, which fits probabilities to the validation day.",
        "nats per example",
        "lower",
    ),
    "ece_before_calibration": (
        "ECE before calibration",
        "Calibration error before the model's last step.",
        "probability",
        "lower",
    ),
    "predicted_over_observed_before_calibration": (
        "Predicted / observed before calibration",
        "Predicted over observed before the model's last step.",
        "ratio",
        "near 1",
    ),
    "orders_per_request": (
        "Orders per request",
        "Expected number of orders of one page of items.",
        "orders per request",
        "higher",
    ),
    "orders_per_user": (
        "Orders per user",
        "Number of orders of a user over all days of an online test.",
        "orders per user",
        "higher",
    ),
    "units_per_request": (
        "Units per request",
        "Expected number of units ordered from one page of items.",
        "units per request",
        "higher",
    ),
    "ctr": ("Click rate", "Clicks per impression.", "clicks per impression", "higher"),
    "head_share": (
        "Share of popular shops",
        "Share of the impressions that the most popular tenth of the shops gets.",
        "0-1",
        "lower",
    ),
    "price": ("Price shown", "Mean of exp(price) of what is shown.", "exp of standard deviations", "lower"),
    "shop_coverage": ("Shops shown", "Share of the shops that are shown at least once.", "0-1", "higher"),
    "calibration": ("Promised / expected", "Orders that the scores promise over expected ones.", "ratio", "near 1"),
}
MODEL_WORDS = {"hinet": "HiNet", "shared_bottom": "Shared bottom", "mmoe": "MMoE", "ple": "PLE", "star": "STAR"}
