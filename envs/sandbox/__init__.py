"""The jail in which untrusted programs run."""
