"""Named comparisons of models on one log, the search for their settings, and the page of results."""
