"""Write PDF documents and workbooks, and keep formulas out of spreadsheet cells."""
