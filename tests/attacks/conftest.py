"""Keeps pytest from importing the hostile programs, whatever they are called."""

collect_ignore = ["programs"]
