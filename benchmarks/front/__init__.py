"""Quality beside computation and time, for every size and its peers."""
