"""Procedurally drawn portraits of fictional people, the only training data."""
