"""What the ranks of a run and the controller tell each other: written once, read by both.

Needs pydantic and the standard library alone. Old files are read for ever: a field that a file of
an earlier version lacks has a default, and one that this version does not know is passed over.
"""
