"""Learn first aid: sessions near the reader, enrolling, and the page behind the link of each notice."""
