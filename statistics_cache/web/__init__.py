"""Statistics over HTTP: JSON for who reads them, and a page for a probe. Nothing here decides about freshness."""
