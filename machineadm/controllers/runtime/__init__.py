"""What every controller needs and no library does as measured: typed caches, a keyed queue, election, one writer."""
