package cache

import (
	"context"
	"time"
)

// Stats says what a store holds.
type Stats struct {
	Dir        string
	Cap        int64 // bytes, below 0 for no bound
	Bytes      int64 // of all below
	Records    int
	Damaged    int // of Records: cannot be hits
	Blobs      int
	Memos      int
	Tombstones int
	Packed     int   // files of packed weights
	PackedSize int64 // bytes of Packed
	Unfinished int   // checkpoints
	Pinned     int
	Processes  int       // that have the store open, this one included
	Oldest     time.Time // last use of the record that goes next; zero if there is none
	Newest     time.Time // last use of any record; zero if there is none
}

// Stats counts what the store holds. It changes nothing.
func (d *Disk) Stats(ctx context.Context) (*Stats, error) {
	st := &Stats{Dir: d.dir, Cap: d.cap}
	if d.absent {
		return st, nil
	}
	s, err := d.scan(ctx, func() error { return nil })
	if err != nil {
		return nil, err
	}
	pins, err := d.pins()
	if err != nil {
		return nil, err
	}
	l, err := d.readLeases(d.own(), false)
	if err != nil {
		return nil, err
	}
	st.Bytes, st.Records, st.Blobs, st.Memos, st.Tombstones = s.size, len(s.records), len(s.blobs), len(s.memos), len(s.tombs)
	st.Packed, st.Unfinished = len(s.packed), len(s.checkpoints)
	for _, p := range s.packed {
		st.PackedSize += p.info.Size()
	}
	st.Pinned, st.Processes = len(pins), l.live
	for _, r := range s.records {
		if r.bad != nil {
			st.Damaged++
		}
	}
	if n := len(s.records); n > 0 {
		st.Oldest, st.Newest = s.records[0].used, s.records[n-1].used
	}
	return st, nil
}
