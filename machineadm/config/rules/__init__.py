"""What rules of several concerns share, and the rules that every configuration is judged by.

A rule is a small generator: it is given one value of its type and yields findings, their paths
relative to the value. It opens nothing and knows no line. Not here: what one field alone must be
(api), rules of one concern (config.concerns), which Kubernetes has what (config.versions).
"""
