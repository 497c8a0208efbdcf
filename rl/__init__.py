"""The learner: recipes, the training loop, and the rl-train command."""
