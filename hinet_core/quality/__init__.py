"""Contract to suite to findings. Great Expectations is imported only when a day is judged."""

from hinet_core.quality.audit import DQ_SCHEMA, Finding, validate
from hinet_core.quality.kinds import CheckKind
from hinet_core.quality.suite import check_names

__all__ = ["DQ_SCHEMA", "CheckKind", "Finding", "check_names", "validate"]
