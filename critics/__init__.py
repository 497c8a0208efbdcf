"""Learned judges: models that guess what the tests will say, and use that guess."""
