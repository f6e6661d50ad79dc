"""The lab's side of the Sipfront API."""
