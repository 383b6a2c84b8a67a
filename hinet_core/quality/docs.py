"""Data Docs: Great Expectations' own renderer writes what was judged as pages that need no network.

    index.html                                     all days
    expectations/<day>.html                        the suite of the day
    validations/<day>/ingest/impressions/index.html    what it found, beside result.json for the index

The library's page template loads styles and scripts from other servers; `pages/` has one of our own around the
library's content. Pages follow from the findings, so they hold hashed ids only.
"""

import html
import json
import logging
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from hinet_core.contract import Contract
from hinet_core.ingest.days import IngestResult
from hinet_core.lake import Lake, first_line, replace_text
from hinet_core.quality.findings import Finding
from hinet_core.quality.rule import Rule
from hinet_core.quality.suite import rules
from hinet_core.quality.verdict import sentence_of
from hinet_core.settings import load_settings

log = logging.getLogger("hinet")

TEMPLATES = Path(__file__).parent / "pages"
RESULT = "result.json"
FORGOTTEN_ROW = "(forgotten)"
WHOLE_DAY = "whole day"  # where rules stand that are about no column


def page_of(root: Path, day: date) -> Path:
    """The page of what was found on a day."""
    return root / "validations" / day.isoformat() / "ingest" / "impressions" / "index.html"


def suite_page_of(root: Path, day: date) -> Path:
    return root / "expectations" / f"{day.isoformat()}.html"


def write_docs(contract: Contract, lake: Lake, root: Path, results: Sequence[IngestResult]) -> Path | None:
    """Write the pages of the judged days and the index, and delete those of days that are gone; -> the folder, None
    when HINET_DATA_DOCS=0.

    What cannot be written is logged: the days themselves are committed or kept out by now.
    """
    if not load_settings().data_docs:
        return None
    try:
        prune(root, {*lake.days("ingest"), *lake.blocked("ingest")})
        for result in results:
            write_day(contract, root, result.day, result.findings)
        write_index(contract, root)
    except OSError as error:
        log.warning("the pages about data quality under %s could not be written: %s", root, first_line(error))
    return root


def prune(root: Path, kept: Iterable[date]) -> None:
    """Delete the pages of days that are neither committed nor kept out any more."""
    names = {day.isoformat() for day in kept}
    for folder in (root / "validations").glob("*"):
        if folder.name not in names:
            shutil.rmtree(folder, ignore_errors=True)
    for page in (root / "expectations").glob("*.html"):
        if page.stem not in names:
            page.unlink(missing_ok=True)


def write_day(contract: Contract, root: Path, day: date, findings: Sequence[Finding]) -> None:
    from great_expectations.core import ExpectationSuite
    from great_expectations.render.renderer import ExpectationSuitePageRenderer, ValidationResultsPageRenderer

    result = validation_result(contract, day, findings)
    suite = ExpectationSuite(name=day.isoformat())
    suite.expectations = [expectation(rule, rule.text) for rule in rules(contract, day)]
    failed = sorted((one for one in findings if one.status == "fail"), key=lambda one: not one.blocks)
    verdict = "kept out" if any(one.blocks for one in failed) else "warnings" if failed else "passed"
    title = f"{contract.title or contract.name}: {day}"
    pages = (
        (page_of(root, day), ValidationResultsPageRenderer(run_info_at_end=True).render(result), f"{title}, {verdict}"),
        (suite_page_of(root, day), ExpectationSuitePageRenderer().render(suite), f"{title}, suite"),
    )
    sentences = [sentence_of(one) for one in failed]
    for path, document, words in pages:
        home = "../" * (len(path.relative_to(root).parts) - 1)
        ours = {"title": words, "home": home, "failed": sentences if path == page_of(root, day) else []}
        replace_text(path, rendered("offline_page.j2", document.to_json_dict() | ours))
    told = {"verdict": verdict, "failed": len(failed), "judged": len(findings), "sentences": sentences}
    replace_text(page_of(root, day).with_name(RESULT), json.dumps(told))


def forget_rows(root: Path, hashed: str) -> list[date]:
    """Take the sampled rows in which this hash of an id stands off the pages; -> the days whose pages had any."""
    row = re.compile(rf"\{{(?:(?!\}}).)*?&quot;{hashed}&quot;.*?\}}")
    found = []
    for path in sorted((root / "validations").glob("*/*/*/*.html")):
        text = path.read_text()
        if hashed in text:
            replace_text(path, row.sub(FORGOTTEN_ROW, text).replace(hashed, FORGOTTEN_ROW))
            found.append(date.fromisoformat(path.relative_to(root).parts[1]))
    return found


def write_index(contract: Contract, root: Path) -> None:
    days = []
    for path in sorted((root / "validations").glob(f"*/*/*/{RESULT}"), reverse=True):
        day = date.fromisoformat(path.relative_to(root).parts[1])
        links = {"page": page_of(root, day), "suite": suite_page_of(root, day)}
        days.append(
            {"day": day, **json.loads(path.read_text())}
            | {name: page.relative_to(root).as_posix() for name, page in links.items()}
        )
    title = f"{contract.title or contract.name}: data quality by day"
    replace_text(root / "index.html", rendered("offline_index.j2", {"title": title, "days": days}))


def rendered(template: str, content: Mapping[str, Any]) -> str:
    """A page of ours around the library's content, with the library's filters."""
    from great_expectations.render.view import DefaultJinjaPageView

    view = DefaultJinjaPageView(custom_styles_directory=str(TEMPLATES), custom_views_directory=str(TEMPLATES))
    return view.env.get_template(template).render(content)


def validation_result(contract: Contract, day: date, findings: Sequence[Finding]) -> Any:
    """The findings as the library's result of one run."""
    import great_expectations as gx
    from great_expectations.core import ExpectationSuiteValidationResult

    by_name = {(rule.check_name, rule.scenario_id): rule for rule in rules(contract, day)}
    results = [one_result(one, by_name[one.check_name, one.scenario_id]) for one in findings]
    passed = sum(one.status == "pass" for one in findings)
    return ExpectationSuiteValidationResult(
        success=passed == len(findings),
        results=results,
        suite_name=day.isoformat(),
        statistics={
            "evaluated_expectations": len(findings),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(findings) - passed,
            "success_percent": 100 * passed / len(findings) if findings else None,
        },
        meta={
            "batch_kwargs": {"data_asset_name": "impressions"},
            "run_id": {"run_name": day.isoformat(), "run_time": f"{day.isoformat()}T00:00:00Z"},
            "great_expectations_version": gx.__version__,
        },
    )


def expectation(rule: Rule, words: str) -> Any:
    """A rule as the library's expectation; the words are escaped, since templates do not."""
    from great_expectations import expectations

    kind = getattr(expectations, rule.expectation)
    arguments = dict(rule.arguments)
    if "column" in kind.__fields__:
        arguments.setdefault("column", rule.column or WHOLE_DAY)
    return kind(severity=rule.severity, description=html.escape(words), **arguments)


def one_result(finding: Finding, rule: Rule) -> Any:
    """A finding as the library's result of one expectation, with texts of the log escaped."""
    from great_expectations.core import ExpectationValidationResult

    words = finding.rule_text if finding.status == "pass" and not finding.note else finding.sentence
    scenario = f"scenario {finding.scenario_id}: " if finding.scenario_id and words != finding.rule_text else ""
    result: dict[str, Any] = {"observed_value": finding.observed}
    if rule.on == "rows" and rule.kind != "not_empty":
        shown = [html.escape(json.dumps(row, ensure_ascii=False)) for row in json.loads(finding.sample or "[]")]
        result = {
            "element_count": finding.n_rows,
            "unexpected_count": finding.unexpected_count,
            "unexpected_percent": 100 * (finding.observed or 0.0),
            "partial_unexpected_list": shown,
        }
    return ExpectationValidationResult(
        success=finding.status == "pass",
        expectation_config=expectation(rule, scenario + words).configuration,
        result=result,
        exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
    )
