//go:build cuda && cgo

package main

/*
#include <stdint.h>

// The context that is current on a thread, as in libcuda.
static _Thread_local uintptr_t current;

static uintptr_t get_current(void) { return current; }
static void set_current(uintptr_t context) { current = context; }
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
	"github.com/seed-8af8f8e1/flow/cuda/sim/vm"
)

// theContext is the handle of the primary context.
const theContext = 0x1000

// state is the library's: one device, and what its handles stand for.
var state = struct {
	sync.Mutex
	initialised bool
	device      *sim.Device // nil while the primary context is not retained
	retained    int
	objects     map[uintptr]any // streams, events, modules, functions
	host        map[uintptr][]byte
	next        uintptr
	staged      staging
}{objects: map[uintptr]any{}, host: map[uintptr][]byte{}, next: theContext}

// setting is the value of a word of FLOW_LIBCUDA, a list such as "checked,init=100".
func setting(name string) (string, bool) {
	for word := range strings.SplitSeq(os.Getenv("FLOW_LIBCUDA"), ",") {
		if key, value, _ := strings.Cut(word, "="); key == name {
			return value, true
		}
	}
	return "", false
}

// retain opens the device for the first user of the primary context.
func retain() {
	state.Lock()
	defer state.Unlock()
	if state.retained++; state.retained == 1 {
		_, checked := setting("checked")
		state.device = sim.Open(sim.Options{Quick: !checked})
	}
}

// release closes the device behind the last user. What was not given back fails it, which a real driver forgives.
func release() error {
	state.Lock()
	defer state.Unlock()
	if state.retained == 0 {
		return driver.InvalidContext
	}
	if state.retained--; state.retained > 0 {
		return nil
	}
	err := errors.Join(state.staged.close(state.device), state.device.Close())
	state.device = nil
	clear(state.objects)
	clear(state.host)
	return err
}

// current is the device, where the context is current on this thread.
func current() (*sim.Device, error) {
	state.Lock()
	defer state.Unlock()
	switch {
	case !state.initialised:
		return nil, driver.NotInitialized
	case C.get_current() != theContext:
		return nil, driver.Errorf("cuCtxGetCurrent", driver.InvalidContext, "no context is current on the thread of this call")
	case state.device == nil:
		return nil, driver.ContextIsDestroyed
	}
	return state.device, nil
}

// setCurrent makes a context current on this thread; 0 makes none.
func setCurrent(context uintptr) error {
	if context != 0 && context != theContext {
		return driver.InvalidContext
	}
	C.set_current(C.uintptr_t(context))
	return nil
}

// handle makes a handle of an object.
func handle(object any) uintptr {
	state.Lock()
	defer state.Unlock()
	state.next += 16
	state.objects[state.next] = object
	return state.next
}

// object is what a handle stands for.
func object[T any](h uintptr) (T, error) {
	state.Lock()
	defer state.Unlock()
	out, ok := state.objects[h].(T)
	if !ok {
		return out, driver.Errorf("handle", driver.InvalidHandle, "%#x is no %T", h, new(T))
	}
	return out, nil
}

// forget makes a handle stand for nothing.
func forget(h uintptr) {
	state.Lock()
	defer state.Unlock()
	delete(state.objects, h)
}

// result is a call's result for C. What the code does not tell goes to standard error.
func result(err error) C.int {
	if err == nil {
		return 0
	}
	code, fault := driver.Unknown, (*vm.Fault)(nil)
	if !errors.As(err, &code) || code == driver.InvalidContext || errors.As(err, &fault) {
		fmt.Fprintln(os.Stderr, "simulated libcuda:", err)
	}
	return C.int(code)
}
