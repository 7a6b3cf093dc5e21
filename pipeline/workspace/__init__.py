"""A checkout as flows use it: its stages run through DVC, its worktree, its branches."""
