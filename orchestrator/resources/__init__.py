"""One file per thing that we put on a machine."""
