"""Write PDF documents and workbooks, read and escape XML, and keep formulas out of spreadsheet cells."""
