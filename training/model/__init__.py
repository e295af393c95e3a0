"""The base model and what is put on it: loading, adapters, 4 bits, attention, weight files."""
