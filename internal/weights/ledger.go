package weights

import (
	"crypto/sha256"
	"encoding/json"
	"sync"
)

// ledger notes the small files that a model was read from, with the SHA-256 of the bytes that were read. The nil ledger reads and notes nothing.
type ledger struct {
	mu   sync.Mutex
	read map[string]smallSum
}

type smallSum struct {
	size int64
	sum  Digest
}

// small reads a small file, see [readSmall].
func (l *ledger) small(path string) ([]byte, error) {
	data, err := readSmall(path)
	if err != nil || l == nil {
		return data, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.read == nil {
		l.read = make(map[string]smallSum)
	}
	l.read[path] = smallSum{int64(len(data)), sha256.Sum256(data)}
	return data, nil
}

// json reads a small file into dst and gives its bytes.
func (l *ledger) json(path string, dst any) ([]byte, error) {
	data, err := l.small(path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, dst); err != nil {
		return nil, &Error{File: path, Problem: "not the JSON that it should be", Err: err}
	}
	return data, nil
}

// object reads a small file that must hold a JSON object.
func (l *ledger) object(path string) ([]byte, error) {
	var object map[string]json.RawMessage
	return l.json(path, &object)
}

// track lets the model's ledger note what its layout reads.
func (m *Model) track() {
	switch d := m.layout.(type) {
	case *folder:
		d.ledger = &m.ledger
	case *lonePart:
		d.ledger = &m.ledger
	case *loneFile:
		d.ledger = &m.ledger
	case *checkpoint:
		if d.config != nil {
			d.config.ledger = &m.ledger
		}
	case *refinersFolder:
		if d.config != nil {
			d.config.ledger = &m.ledger
		}
	}
}
