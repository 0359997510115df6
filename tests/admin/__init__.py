"""The admin: what it shows, to whom, and what its buttons do."""
