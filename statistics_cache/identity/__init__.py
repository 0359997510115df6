"""The identity: which database a hot key is of."""
