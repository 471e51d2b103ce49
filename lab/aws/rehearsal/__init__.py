"""The rehearsal: the unmodified program, the real engine, and an account that behaves as AWS does."""
