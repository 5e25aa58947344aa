package cache

import (
	"errors"
	"io/fs"
)

// Pin keeps a record and its blobs from eviction until Unpin, across processes.
// Clear removes it all the same.
func (d *Disk) Pin(key ActionKey) error {
	if d.readOnly {
		return errReadOnly
	}
	if _, err := d.find(key); err != nil {
		return err
	}
	return d.putSealed(shard(pinDir, key), nil)
}

// Unpin takes a pin away. One that is not there is no error.
func (d *Disk) Unpin(key ActionKey) error {
	if d.readOnly {
		return errReadOnly
	}
	return d.remove(shard(pinDir, key))
}

// Pinned reports whether Pin holds a record.
func (d *Disk) Pinned(key ActionKey) (bool, error) {
	if d.absent {
		return false, nil
	}
	_, err := d.root.Lstat(shard(pinDir, key))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
