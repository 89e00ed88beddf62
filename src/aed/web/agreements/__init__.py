"""Pages of agreements: what waits for whom, the text, a party's decision by link, withdrawal."""
