package checkup

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
)

// watch is a driver that remembers the kernels that were asked for and, while timing, records events around each launch.
type watch struct {
	driver.Driver
	mu        sync.Mutex
	functions map[string]driver.Function
	timing    bool
	launches  []launch
}

// launch is a launch between two events.
type launch struct {
	kernel     string
	begin, end driver.Event
}

// watchedModule gives its functions to the watch.
type watchedModule struct {
	driver.Module
	w *watch
}

// Load implements driver.Driver.
func (w *watch) Load(ptx string) (driver.Module, error) {
	m, err := w.Driver.Load(ptx)
	if err != nil {
		return nil, err
	}
	return &watchedModule{m, w}, nil
}

// Function implements driver.Module.
func (m *watchedModule) Function(name string) (driver.Function, error) {
	f, err := m.Module.Function(name)
	if err == nil {
		m.w.mu.Lock()
		defer m.w.mu.Unlock()
		m.w.functions[name] = f
	}
	return f, err
}

// seen lists the kernels by name.
func (w *watch) seen() (list []driver.Function) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(w.functions)) {
		list = append(list, w.functions[name])
	}
	return list
}

// Launch implements driver.Driver.
func (w *watch) Launch(f driver.Function, grid, block driver.Dim, shared int, s driver.Stream, args []uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.timing {
		return w.Driver.Launch(f, grid, block, shared, s, args)
	}
	l := launch{kernel: f.Name()}
	var err error
	if l.begin, err = w.NewEvent(); err != nil {
		return err
	}
	if l.end, err = w.NewEvent(); err != nil {
		return errors.Join(err, l.begin.Destroy())
	}
	w.launches = append(w.launches, l)
	if err := l.begin.Record(s); err != nil {
		return err
	}
	if err := w.Driver.Launch(f, grid, block, shared, s, args); err != nil {
		return err
	}
	return l.end.Record(s)
}

// timed runs f and gives the time that each kernel took in it, all launches together.
func (w *watch) timed(f func() error) (took map[string]time.Duration, err error) {
	w.mu.Lock()
	w.timing = true
	w.mu.Unlock()
	err = f()
	w.mu.Lock()
	defer w.mu.Unlock()
	launches := w.launches
	w.timing, w.launches = false, nil
	took = make(map[string]time.Duration)
	for _, l := range launches {
		if err == nil {
			err = l.end.Synchronize()
		}
		if err == nil {
			var d time.Duration
			d, err = l.end.Since(l.begin)
			took[l.kernel] += d
		}
	}
	for _, l := range launches {
		err = errors.Join(err, l.begin.Destroy(), l.end.Destroy())
	}
	return took, err
}
