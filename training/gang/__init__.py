"""The supervisors of a run: one in every container, around the rank's process; together one gang.

They connect before an attempt, end it together, and judge it; docs/runs.md has the whole story. No
torch here: a supervisor starts in a moment, and lives beside a trainer that needs all the memory.
"""
