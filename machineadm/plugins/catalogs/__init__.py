"""Where plugins come from: catalogs, the lock, the cache, and what brings one from there into a plugin directory.

Here: `opening` (an address -> a catalog), `fetcher` (lock, cache, catalogs, newest cached), `installing`. Not here: HTTP itself
(`sources.registries`, given as a port), and starting a plugin. May import: discovery's and trust's words, documents, errors.
"""
