"""What a node must have before it can train."""
