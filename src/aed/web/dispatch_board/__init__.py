"""The dispatcher's board: all running incidents on one page, with everything that a dispatcher may do."""
