"""The lab's side of Sift v0, based on its documentation. Docstrings mark what the documentation leaves open."""
