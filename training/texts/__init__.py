"""What a row says, and which of it is learned. No torch, no transformers."""
