"""Putting a signed release where machines find it: a GCS bucket, any S3-compatible store, a directory.

Here: the one layout (layout.py), the order in which it is written (publisher.py), and one adapter a
store (gcs.py, s3.py, directory.py) behind the port of stores.py, which opening.py picks by URI. Not here: making signatures. May import:
the rest of signing; machineadm.verification, errors. google.cloud and boto3 are imported inside functions.
"""
