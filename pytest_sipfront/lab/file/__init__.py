"""What a lab file may contain, and its loader."""
