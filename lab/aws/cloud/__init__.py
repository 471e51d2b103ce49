"""The account of the rehearsal: moto's server, with the rules that AWS has and moto lacks, and the parts of EKS, load
balancing and AWS Private CA that it does not have. All of it lives in one process, so that everything else may be
killed at any time, as with AWS. COVERAGE.md lists the rules with their documents.
"""
