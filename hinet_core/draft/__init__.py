"""Look at the files of a log and write a commented contract to start from."""

from hinet_core.draft.assemble import draft
from hinet_core.draft.plan import UNSURE
from hinet_core.draft.sample import DraftError

__all__ = ["UNSURE", "DraftError", "draft"]
