"""Asynchronous clients for Sipfront and Sift, usable without pytest."""
