"""The first page: whom to call, what to do, and the devices that can be here soonest."""
