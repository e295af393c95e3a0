"""What a successful training leaves: adapter or model, and its model card."""
