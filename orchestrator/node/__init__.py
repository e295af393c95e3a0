"""One machine: connection, root, facts, files, Docker."""
