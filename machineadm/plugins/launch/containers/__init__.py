"""A plugin in a container, by the Docker Engine API, which podman serves, too.

Here: the engine's socket, what is asked of it, the container's state and end. Not here: pulling images, and whether an image
may be run (discovery). What it does is HashiCorp's plugincontainer 0.5; where it differs, docs/plugins.md says so.
"""
