"""The synthetic world as a data set: clips drawn on demand, video files and stores."""
