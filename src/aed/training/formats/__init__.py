"""What training hands out: signed codes, papers, calendars, pages, the gap table.

signed.py       short texts that nobody else can have written, and the keys that sign them
papers.py       certificates and attendance sheets as PDF (*.typ: how they look)
pages.py        the pages that a phone or a screen shows
calendar.py     sessions as iCalendar
gaps.py         the gap table as files
"""
