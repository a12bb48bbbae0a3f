"""A second, slow and obvious reading of the contract in plain Python: what the server should have answered.

It shares no code and no table with the server. Instants are microseconds since 1970 in UTC throughout.
"""
