"""Where configuration bytes come from: file, standard input, data, https.

Here: opening and reading, with limits and digests. Not here: what the bytes mean (documents).
`configuration.read` reads what the agent is given; `downloads.Downloads` is the Fetch port of steps.
May import: config and below; never host.
"""
