// The mini program has no state of its own: everything is asked when it is shown.
App({});
