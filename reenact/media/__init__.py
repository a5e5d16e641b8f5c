"""Pictures, videos and sound: reading and writing of files."""
