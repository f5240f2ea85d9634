"""May these bytes be trusted? Digests, public keys, signatures, what a release says of itself, policies.

Here: rules, each of which takes bytes and raises VerificationError. Not here: private keys and making
signatures (the signing package, which is on no machine), files and the network (sources, host). Opens
no file, reads no clock. May import: errors, redaction. cryptography is imported inside functions: it
is most of the agent's size, and most runs never need it.
"""
