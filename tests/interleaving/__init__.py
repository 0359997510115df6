"""A model checker for the real modules: every interleaving of a few actors, each step a cache command or a statement.

An actor is a plain function that calls the real code. It is a function of the results it was given, so it is never
suspended: it is run anew with the results so far until it asks for one more (`replaying`). A state of the world is a
value (`world`): searching all of them (`searching`) needs neither threads nor sleep, and equal states are merged.
"""
