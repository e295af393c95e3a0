"""Where a value is in a document: its keys from the top. Needs no models."""

Key = str | int
KeyPath = tuple[Key, ...]
