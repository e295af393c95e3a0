"""What runs inside the containers: an engine is a folder with `engine.yaml`; ours is torch."""
