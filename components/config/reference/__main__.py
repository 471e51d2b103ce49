"""`python -m components.config.reference` writes the pages."""

from components.config.reference.pages import write

if __name__ == "__main__":
    write()
