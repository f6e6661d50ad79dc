"""Gridspace's Sift: its API, the receiver of its callbacks, and calls as a test drives them."""
