"""`[[off_policy]]`: what is asked of a log with propensities, day by day the same as `hinet off-policy` once."""

import re
from typing import TYPE_CHECKING

from pydantic import field_validator

from hinet_core.contract.part import Part
from hinet_core.contract.values import Name

if TYPE_CHECKING:
    from hinet_core.contract.grammar import Contract

POLICIES = "uniform, logger, column:NAME (a column of probabilities), shown:COLUMN=VALUE (rows that the policy showed)"
POLICY = re.compile(r"uniform|logger|column:(?P<column>.+)|shown:(?P<shown>[^=]+)=.*")
CONDITION = re.compile(r"(?P<column>[^=]+)=.*")


class Question(Part):
    """What `target` is worth and its lift over `baseline`, from the rows `log`; `truth` are rows of the target itself.

    By default all rows, and the funnel's last task.
    """

    name: Name
    title: str = ""
    target: str = "uniform"
    baseline: str = "logger"
    log: str | None = None
    truth: str | None = None
    task: str | None = None

    @field_validator("target", "baseline")
    @classmethod
    def _is_policy(cls, value: str) -> str:
        if not POLICY.fullmatch(value):
            raise ValueError(POLICIES)
        return value

    @field_validator("log", "truth")
    @classmethod
    def _is_condition(cls, value: str | None) -> str | None:
        if value is not None and not CONDITION.fullmatch(value):
            raise ValueError("a condition COLUMN=VALUE, such as policy=random")
        return value

    @property
    def columns(self) -> dict[str, str]:
        """Key -> the column that it names."""
        found: dict[str, str] = {}
        for key, pattern in (("target", POLICY), ("baseline", POLICY), ("log", CONDITION), ("truth", CONDITION)):
            match = pattern.fullmatch(getattr(self, key) or "")
            named = [one for one in match.groupdict().values() if one] if match else []
            found |= dict.fromkeys([key], named[0]) if named else {}
        return found


def question_references(contract: "Contract") -> list[tuple[str, str, set[str]]]:
    """Every column and task that a question names: where it stands, the name, the names that exist."""
    columns, tasks = {one.name for one in contract.columns}, {one.name for one in contract.tasks}
    return [
        (f"off_policy.{one.name}.{key}", name, columns)
        for one in contract.off_policy
        for key, name in one.columns.items()
    ] + [(f"off_policy.{one.name}.task", one.task, tasks) for one in contract.off_policy if one.task is not None]


def check_questions(contract: "Contract") -> list[str]:
    """Without propensities nothing can be weighted, and probabilities are numbers."""
    if contract.off_policy and contract.column_for("propensity") is None:
        names = ", ".join(one.name for one in contract.off_policy)
        return [f"off_policy: found {names}, allowed: with a column of role 'propensity'"]
    texts = {one.name: one.type for one in contract.columns if not one.is_number}
    problems = [
        f"columns.{one.name}.type: found {one.type!r}, allowed: a number, for role 'propensity'"
        for one in contract.columns_with("propensity")
        if one.name in texts
    ]
    for question in contract.off_policy:
        for key in ("target", "baseline"):
            name = question.columns.get(key)
            if name in texts and getattr(question, key).startswith("column:"):
                where = f"off_policy.{question.name}.{key}"
                problems.append(f"{where}: found {name!r}, which is {texts[name]}, allowed: a column of numbers")
    return problems
