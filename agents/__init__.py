"""What staff see: the duty desk and its softphone, recordings, lists."""
