"""Keeps pytest away from the programs: some are named like tests, and importing one would run it here."""

collect_ignore = ["programs"]
