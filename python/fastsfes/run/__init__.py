"""What a run is: configuration, coordinator, workers, store, lock, log, progress, result."""
