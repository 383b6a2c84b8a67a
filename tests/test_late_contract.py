"""What a contract may say of outcomes that come in files of their own, and what it is told when it may not."""

import pytest
from late_log import late_raw, part_of

from hinet_core.contract import ContractError, parse_contract

VISITS = {"name": "visits", "kind": "outcomes", "files": "v.csv", "format": "csv", "join": {"request": "req"}}
MISTAKES = [
    ("sources", "orders", {"join": {}}, "kind 'outcomes' needs join = { contract_column = 'column of the file' }"),
    ("sources", "orders", {"join": {"amount": "x"}}, "sources.orders.join: found 'amount', allowed: a column of"),
    ("sources", "orders", {"early": "soon"}, "sources.orders.early: found 'soon', allowed: a whole number with s, m"),
    ("sources", "log", {"early": "1m"}, "sources.log.early: found 1m, allowed: only with kind = 'outcomes'"),
    ("columns", "amount", {"role": "feature", "encode": "number"},
     "columns.amount: found role 'feature' with encode in source 'orders', allowed in a source of outcomes: 'outcome'"),
    ("columns", "amount", {"encode": "number"}, "columns.amount: found role 'plain' with encode in source 'orders'"),
    ("columns", "place", {"source": "orders"}, "columns.place: found role 'scenario' in source 'orders', allowed in a"),
    ("columns", "clicked", {"role": "known_at", "type": "timestamp", "values": []},
     "tasks.click.label: column 'clicked' has role 'known_at', allowed: 'outcome', or 'known_at' with present = true"),
    ("columns", "ordered_at", {"source": "log"},
     "tasks.order.known_at: found 'ordered_at' of source 'log', allowed: a column of 'orders', which makes the label"),
    ("tasks", "order", {"label": "clicked"},
     "tasks.order.known_at: found 'ordered_at' of source 'orders', allowed: a column of 'log', which makes the label"),
    ("tasks", "order", {"window": "0s"}, "tasks.order.window: found 0s, allowed: more, since 'orders' comes"),
    ("tasks", "order", {"known_at": None, "window": "0s", "matures_after": "0s"},
     "tasks.order.matures_after: found 0s, allowed: more, since 'orders' comes"),
    ("tasks", "pay", {"on_violation": "quarantine"},
     "tasks.pay.on_violation: found 'quarantine', allowed: 'clip', since 'order' comes later than the row"),
    ("tasks", "click", {"label": ["ordered", "seen"]},
     "tasks.click.label: found columns of orders, visits, allowed: the log and one source of outcomes"),
    ("tasks", "click", {"label": {"column": "clicked", "present": True, "equals": 1}},
     "tasks.click.label.0: a condition has one of equals, one_of, at_least, present"),
    ("tasks", "click", {"label": {"column": "clicked", "present": False}},
     "tasks.click.label.0.present: found False, allowed: True"),
    ("dedupe", None, {"key": ["request", "amount"]}, "dedupe.key: 'amount' may be missing; allowed: columns of"),
    ("features", None, {"entities": [{"name": "x", "keys": ["amount"]}]}, "'amount' has role 'plain', allowed:"),
]  # fmt: skip


@pytest.mark.parametrize(("group", "name", "change", "expected"), MISTAKES)
def test_a_mistake_about_late_outcomes_names_key_found_and_allowed(group, name, change, expected):
    raw = late_raw()
    raw["sources"].append(VISITS)
    raw["columns"].append({"name": "seen", "type": "int8", "role": "outcome", "source": "visits"})
    raw["tasks"].append({"name": "pay", "label": "clicked", "after": "order"})
    (part_of(raw, group, name) if name else raw[group]).update(change)
    with pytest.raises(ContractError) as caught:
        parse_contract(raw, "late.toml")
    assert expected in str(caught.value)


def test_the_source_that_makes_a_label():
    raw = late_raw()
    part_of(raw, "tasks", "click")["label"] = [{"column": "clicked"}]
    part_of(raw, "tasks", "order")["label"] = [{"column": "clicked"}, {"column": "ordered_at", "present": True}]
    contract = parse_contract(raw)
    click, order = contract.tasks
    assert contract.late_source(click) is None
    assert contract.late_source(order) == contract.outcome_sources[0]
    assert [one.name for one in contract.late_columns] == ["ordered", "ordered_at", "amount"]
