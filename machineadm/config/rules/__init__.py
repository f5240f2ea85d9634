"""What has to hold between fields. One module per theme, each with its list of rules by type.

A rule is a small generator: it is given one value of its type and yields findings, their paths
relative to the value. It opens nothing and knows no line. Not here: what one field alone has to be
(api), which Kubernetes has what (config.versions), what this release does not build (config.support).
"""
