package cache

import (
	"bytes"
	"crypto/sha256"
	"strconv"
	"time"
)

const maxMemo = 16 << 20 // bytes

// memoTouch is how often a use of a memo is noted.
const memoTouch = 24 * time.Hour

// memoBody puts the key before the value: two keys with one hash are told apart,
// and a person can see what a memo is of.
func memoBody(key string) []byte { return append(strconv.AppendQuote(nil, key), '\n') }

// GetMemo gives what PutMemo remembered under key.
func (d *Disk) GetMemo(key string) ([]byte, bool) {
	if d.absent {
		return nil, false
	}
	name := shard(memoDir, sha256.Sum256([]byte(key)))
	body, used, ok := d.getSealed(name)
	if !ok {
		return nil, false
	}
	val, ok := bytes.CutPrefix(body, memoBody(key))
	if now := d.now(); ok && !d.readOnly && now.Sub(used) > memoTouch {
		d.touch(name, now) // best effort
	}
	return val, ok
}

// PutMemo remembers a small value of at most 16 MiB. What cannot be written is forgotten.
func (d *Disk) PutMemo(key string, val []byte) {
	if d.absent || d.readOnly || len(key)+len(val) > maxMemo {
		return
	}
	d.putSealed(shard(memoDir, sha256.Sum256([]byte(key))), append(memoBody(key), val...))
}
