"""Sign in by an account at a platform, such as WeChat, from its own apps."""
