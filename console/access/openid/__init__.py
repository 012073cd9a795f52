"""Logging in with OpenID Connect: authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636, RFC 9207).

``attempt`` is what the browser keeps between leaving and coming back, ``provider`` talks to the provider, ``person``
says whom its claims make of somebody here.
"""
