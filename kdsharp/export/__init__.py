"""A student for others to run: shaders for players and browsers, a model for servers."""
