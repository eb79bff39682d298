"""fedlab: split patient records over organisations, train one model each, merge them by a vote."""

__version__ = "0.1.0"
