"""Lists of devices: upload a workbook as it is, correct how it is read, preview and import it."""
