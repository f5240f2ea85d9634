"""One module a kind of plugin: a typed client over protobuf. May import: launch, wire, proto, errors, redaction."""
