"""Remove a user from every table, and keep the log from bringing the user back."""

from hinet_core.forget.holdings import Holding, holdings
from hinet_core.forget.removal import ForgetError, Report, forget, user_text

__all__ = ["ForgetError", "Holding", "Report", "forget", "holdings", "user_text"]
