"""The front door: the command line, the supervisor of the services, the doctor, the demo and its phantom.

Calls every room; no room calls it.
"""
