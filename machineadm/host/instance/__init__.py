"""What only the machine knows about itself: names of instance data, and the sources that know their values.

Here: `lookup` (asks sources in order, within a time), one module for each kind of source, `platforms` (whose metadata service
may be asked, by what the firmware says). Everything goes through the host's ports, changes nothing, and is loaded only where
a configuration refers to instance data.

May import: host.ports, config.instance_data, documents.
"""
