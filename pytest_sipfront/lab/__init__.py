"""The lab: a stand-in for the platform on this machine, over real HTTP.

It is modelled on the published documentation, not on captured traffic, and shares no code with the clients,
so that one misreading of the documentation cannot hide in both.
"""
