"""The Sipfront client."""
