"""Sipfront voice tests as ordinary pytest tests."""
