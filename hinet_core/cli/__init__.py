"""The `hinet` command: one file per group of verbs; a verb imports what it needs when it is called."""

from hinet_core.cli import (
    contracts,
    days,
    experiments,
    explain,
    forget,
    home,
    lift,
    logs,
    models,
    off_policy,
    online,
    quality,
    quarantine,
    snapshot,
    tables,
    training,
    world,
)
from hinet_core.cli.group import main, places

__all__ = [
    "contracts", "days", "experiments", "explain", "forget", "home", "lift", "logs", "main", "models", "off_policy",
    "online", "places", "quality", "quarantine", "snapshot", "tables", "training", "world",
]  # fmt: skip
