// Functions without a body, whose bodies are etcd's, are allowed beside a file of assembly.
