"""What a preview of a stack would change and what the policy pack says of it, from the engine's own events.

`make preview` and `make policy` show it on a terminal, a pull request gets it as one comment, and the nightly look for
drift as an issue.
"""
