"""Actions: import rosters of issuers and of training sessions."""
