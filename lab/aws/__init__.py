"""A stand-in for AWS, for rehearsals of the stacks staging and prod without an account.

`cloud` is the account: a moto server with the rules that AWS has and moto lacks. `plugin` is the engine's AWS provider:
it turns pulumi-aws resources into calls by boto3 of that server. `rehearsal` runs the program on both. The program
knows none of it.
"""
