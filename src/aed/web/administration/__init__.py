"""The administrator's pages: what is wrong in each subject, then a page for each."""
