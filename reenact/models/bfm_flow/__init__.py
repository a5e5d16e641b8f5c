"""BFM flow: computed flow and occlusion, completed by a network (AAAI 2023)."""
