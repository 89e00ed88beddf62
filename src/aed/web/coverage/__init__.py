"""Pages of previews: what opening devices buys, with two maps by part of the week."""
