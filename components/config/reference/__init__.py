"""`docs/reference`, generated from the models: every key, with its default, its meaning and examples that hold."""
