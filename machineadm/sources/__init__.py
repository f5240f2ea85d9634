"""Where configuration bytes come from: file, standard input, data, https.

Here: opening and reading, with limits and digests. Not here: what the bytes mean (documents).
May import: config and below; never host.
"""
