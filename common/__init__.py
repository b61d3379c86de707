"""Plumbing that every part shares, one thing a file: no model, no data, no training loop."""
