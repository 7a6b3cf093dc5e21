"""Work on very many items, on this machine or on those of a cluster: the one seam for both."""
