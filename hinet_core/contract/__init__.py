"""One file declares a log: grammar, cross-checks, loading."""

from hinet_core.contract.bounds import Rates
from hinet_core.contract.columns import Spread
from hinet_core.contract.compare import at_most, contract_differences
from hinet_core.contract.computed import Computed, computed_features
from hinet_core.contract.fields import Buckets, Cross, MadeNumber, declared
from hinet_core.contract.grammar import (
    Column,
    Condition,
    Contract,
    ContractError,
    Entity,
    Origin,
    Scenario,
    Source,
    Task,
    fingerprint,
    known_day_column,
    known_us_column,
    label_column,
)
from hinet_core.contract.load import (
    contract_path,
    load_contract,
    packaged_contracts,
    parse_contract,
    with_settings,
)
from hinet_core.contract.off_policy import POLICIES, Question
from hinet_core.contract.training import TrainingSection

__all__ = [
    "POLICIES",
    "Buckets",
    "Column",
    "Computed",
    "Condition",
    "Contract",
    "ContractError",
    "Cross",
    "Entity",
    "MadeNumber",
    "Origin",
    "Question",
    "Rates",
    "Scenario",
    "Source",
    "Spread",
    "Task",
    "TrainingSection",
    "at_most",
    "computed_features",
    "contract_differences",
    "contract_path",
    "declared",
    "fingerprint",
    "known_day_column",
    "known_us_column",
    "label_column",
    "load_contract",
    "packaged_contracts",
    "parse_contract",
    "with_settings",
]
