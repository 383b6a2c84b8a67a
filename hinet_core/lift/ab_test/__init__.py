"""Any two rankings against each other in a simulated world: expected, replayed, and as an online test would see it."""
