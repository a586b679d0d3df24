"""Scoring, best of N and feature extraction over folders of millions on a Ray cluster (Ray Data, extra `[ray]`).

The pictures of a run are listed once, in shards; actors score shard after shard with the code of one machine and write one
Parquet file for each, so that a stopped run goes on. Files are reached through pyarrow or fsspec: local, S3, GCS and others.
"""
