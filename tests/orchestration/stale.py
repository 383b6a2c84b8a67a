"""What Dagster's pages say of each day, asked as they ask: by GraphQL, of a code location of one contract."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.test_utils import in_process_test_workspace
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_graphql.schema import create_schema

QUERY = """
query Days($key: AssetKeyInput!, $days: [String!]!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode { staleStatusByPartition(partitions: $days)
                       staleCausesByPartition(partitions: $days) { reason key { path } partitionKey } }
  }
}
"""
LOCATION = """
import json
from pathlib import Path
from hinet_core.contract import parse_contract
from hinet_core.settings import load_settings
from orchestration.definitions import build

defs = build([parse_contract(json.loads(Path({path!r}).read_text()))], load_settings())
"""


class Pages:
    """Dagster's pages of a raw contract on an instance."""

    def __init__(self, folder: Path, raw: dict[str, Any], instance: dg.DagsterInstance) -> None:
        self.name, self.instance, self.schema = raw["name"], instance, create_schema()
        folder.mkdir(exist_ok=True)
        (folder / "contract.json").write_text(json.dumps(raw))
        self.location = folder / "location.py"
        self.location.write_text(LOCATION.format(path=str(folder / "contract.json")))

    def said(self, tables: list[str], days: list[str]) -> dict[str, dict[str, str]]:
        """Table -> day -> FRESH, STALE or MISSING."""
        origin = LoadableTargetOrigin(python_file=str(self.location), attribute="defs")
        with in_process_test_workspace(self.instance, origin) as context:
            found = {}
            for table in tables:
                asked = {"key": {"path": [self.name, table]}, "days": days}
                answer = self.schema.execute(QUERY, variable_values=asked, context_value=context)
                assert answer.errors is None, answer.errors
                found[table] = dict(zip(days, answer.data["assetNodeOrError"]["staleStatusByPartition"], strict=True))
            return found

    def stale(self, tables: list[str], days: list[str]) -> dict[str, list[str]]:
        """Table -> the days that Dagster calls stale; tables without such days are left out."""
        said = self.said(tables, days)
        found = {table: [day for day in days if one[day] == "STALE"] for table, one in said.items()}
        return {table: listed for table, listed in found.items() if listed}
