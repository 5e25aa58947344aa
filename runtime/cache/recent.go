package cache

import (
	"iter"
	"slices"
)

// Recent gives the records that were used last, at most n of them; those that cannot be read are left out.
func (d *Disk) Recent(n int) iter.Seq[*Record] {
	return func(yield func(*Record) bool) {
		if d.absent {
			return
		}
		var all []entry
		for e, err := range d.walk(recordDir, "", true) {
			if err == nil {
				all = append(all, e)
			}
		}
		slices.SortFunc(all, func(a, b entry) int { return b.info.ModTime().Compare(a.info.ModTime()) })
		for _, e := range all[:min(n, len(all))] {
			if r, err := d.readRecord(e.hash); err == nil && !yield(r) {
				return
			}
		}
	}
}

// Recent gives the records of a store that were used last, at most n of them; of one that does not know when, any.
func Recent(s Store, n int) iter.Seq[*Record] {
	if d, ok := s.(interface{ Recent(int) iter.Seq[*Record] }); ok {
		return d.Recent(n)
	}
	return func(yield func(*Record) bool) {
		for r, err := range s.Records() {
			if n == 0 {
				return
			}
			if n--; err == nil && !yield(r) {
				return
			}
		}
	}
}
