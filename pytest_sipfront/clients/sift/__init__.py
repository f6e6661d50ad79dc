"""The Sift client."""
