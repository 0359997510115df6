"""Other ways to cache an aggregate, of one shape: each runs in a process of its own, with settings of its own."""
