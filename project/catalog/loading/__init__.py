"""What fills the catalogue: files that are read, or records that are made up."""
