"""What a session tells people and machines about its runs."""
