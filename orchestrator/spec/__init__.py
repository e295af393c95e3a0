"""The declarative API."""
