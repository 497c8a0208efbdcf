"""The world: problems, and what happens when a program runs; free of every machine-learning library."""
