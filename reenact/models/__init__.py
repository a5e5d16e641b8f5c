"""The contracts and one folder a method."""
