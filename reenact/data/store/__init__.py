"""The store: a prepared data set on disk, its reading, writing and packing into shards."""
