"""The .proto files, and what `make proto` generates from them. May import: protobuf."""
