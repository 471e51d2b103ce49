"""What is looked at: the metrics that exist, dashboards and alerts made of them, and the tools that show them."""
