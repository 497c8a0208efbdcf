"""Problem sets, one per file: load(split) -> ProblemSet."""
