"""Shared by the lab's HTML pages and the plugin's reports: templates, drawings, and their rendering."""
