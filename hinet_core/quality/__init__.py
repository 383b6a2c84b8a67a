"""Contract to suite to findings. Great Expectations is imported only when a day is judged."""

from hinet_core.quality.findings import Finding
from hinet_core.quality.judge import Audit, audit
from hinet_core.quality.kinds import CheckKind
from hinet_core.quality.suite import check_names

__all__ = ["Audit", "CheckKind", "Finding", "audit", "check_names"]
