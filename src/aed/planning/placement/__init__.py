"""Where the next device belongs: buy, open or move, within a budget."""
