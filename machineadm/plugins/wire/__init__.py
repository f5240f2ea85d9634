"""go-plugin's protocol: handshake line, environment, AutoMTLS, broker, yamux, stdio, log lines, health.

Here: what goes over pipes and sockets, for both ends. Not here: kinds of plugins, processes, trust.
May import: proto, errors.
"""
