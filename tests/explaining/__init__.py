"""The story of a variant: what is known of it, and how it is told."""
