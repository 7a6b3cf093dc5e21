"""Small networks of convolutions that enlarge, from the files of those who trained them again."""
