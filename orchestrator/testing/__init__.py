"""Test doubles that travel with the package: a stock Spark, and a connection that counts."""
