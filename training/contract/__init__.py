"""The contract between the ranks of a run and the controller: defined once, read by both.

Needs pydantic and the standard library alone. Old files are read for ever: a field that a file of
an earlier version lacks has a default, and one that this version does not know is skipped.
"""
