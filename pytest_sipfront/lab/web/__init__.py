"""The lab's web server, control endpoints and pages."""
