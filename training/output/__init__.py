"""What a good training leaves: adapter or model, and its card."""
