"""What data must look like: declarations only. Nothing here reads, writes or decides."""
