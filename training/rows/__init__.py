"""Rows of data, wherever they come from. No torch, no transformers."""
