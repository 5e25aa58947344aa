package cache

// Fresh gives a store that knows no action yet, in front of another, which keeps what is made. For runs that must compute.
func Fresh(behind Store) Store { return fresh{behind} }

type fresh struct{ Store }

// Get implements [Store]: nothing has been run.
func (f fresh) Get(key ActionKey) (*Record, error) { return nil, &Miss{Reason: NeverRun, Key: key} }
