"""What needs no download: a tiny model made on the spot, and facts to learn."""
