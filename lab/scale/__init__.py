"""How the program grows: generated stacks of many services and regions, previewed and deployed, with figures."""
