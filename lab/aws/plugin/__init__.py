"""The engine's AWS provider of the rehearsal: `pulumi-resource-aws` on the engine's plugin protocol."""
