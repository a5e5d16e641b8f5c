"""What people do with a trained method."""
