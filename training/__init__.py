"""The code that runs inside a training container. Importing this package imports nothing else."""
