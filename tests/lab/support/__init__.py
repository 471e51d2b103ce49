"""What the proofs share: commands, traffic, certificates, the engine. Small, typed, without verdicts of its own."""
