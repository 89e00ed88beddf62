"""Clients of the platforms on which people have accounts: WeChat, WeCom and DingTalk."""
