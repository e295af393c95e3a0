"""Observe, plan, apply, observe again; and the way back."""
