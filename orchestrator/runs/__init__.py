"""A run's life: launch, follow, verdict."""
