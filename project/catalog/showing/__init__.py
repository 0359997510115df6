"""What the demo shows: how long things take, and the site."""
