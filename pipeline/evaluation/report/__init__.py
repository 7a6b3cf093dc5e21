"""The report of an evaluation: pictures side by side and one page that holds everything."""
