//go:build cuda && cgo

package cudrv

import (
	"reflect"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
)

// codeOf is the result of a call of gorgonia.org/cu, whose errors are whole numbers of a type that it keeps for itself.
func codeOf(err error) driver.Code {
	if err == nil {
		return driver.Success
	}
	if v := reflect.ValueOf(err); v.CanInt() {
		return driver.Code(v.Int())
	}
	return driver.Unknown
}

// failed makes an error of a call's result; nil where there is none.
func failed(call string, err error) error {
	if err == nil {
		return nil
	}
	e := &driver.Error{Call: call, Code: codeOf(err)}
	if e.Code == driver.Unknown {
		e.Detail = err.Error()
	}
	return e
}
