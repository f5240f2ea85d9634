"""All that a host expects of a plugin of a kind, as checks that any plugin in any language can be driven through.

Here: `suite.judge`, the checks that all kinds share, and a module for each kind. A check that has nothing to go by, such as a
passphrase that the plugin knows, is skipped and says what it needs.
"""
