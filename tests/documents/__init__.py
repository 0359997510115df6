"""What the README and the guides say is held against the code: blocks run, links lead somewhere, tables are whole."""
