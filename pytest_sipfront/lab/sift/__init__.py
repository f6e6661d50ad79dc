"""Stands in for Sift v0 on this machine, modelled on its documentation, and assumes what that leaves open."""
