"""The keys of lab files, and their loader."""
