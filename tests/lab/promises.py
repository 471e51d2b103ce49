"""What is promised to work: each of these rows has at least one proof here, or `make prove` ends non-zero."""

PROMISED = (
    "A4",  # existing clusters, and what `pulumi up`, `preview` and `destroy` make of them
    "B1",  # shared root, one intermediate per cluster
    "B2",  # workload certificates that rotate by themselves
    "B3",  # remote secrets
    "C1",  # Istio by Helm, CNI when asked
    "C2",  # sizes
    "C3",  # multi-primary on different networks
    "C7",  # three or more regions
    "D1",  # ingress
    "D2",  # east-west gateway
    "F1",  # mutual TLS everywhere
)
