"""Procedurally drawn portraits of people who do not exist: the only training data."""
