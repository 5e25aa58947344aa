package cache

// Memo is what a store remembers under names.
type Memo struct{ store Store }

// Memos gives a store's memos as a value that reads and writes no more than these.
func Memos(s Store) Memo { return Memo{s} }

// Get gives what Put remembered.
func (m Memo) Get(key string) ([]byte, bool) { return m.store.GetMemo(key) }

// Put remembers a small value, which may be forgotten at any time.
func (m Memo) Put(key string, value []byte) { m.store.PutMemo(key, value) }
