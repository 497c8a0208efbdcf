"""UserError: what a person got wrong, told in one line; a command prints it and ends with exit code 2."""


class UserError(ValueError):
    """One line: where, what, got, expected, and what to do. Never used for our own faults."""
