"""Texts to tokens. No torch, no transformers: it needs the tokenizers library alone."""
