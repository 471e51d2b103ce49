"""The evidence as one page for people: `make evidence`, after `make prove`."""
