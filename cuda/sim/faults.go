package sim

import "github.com/seed-8af8f8e1/flow/cuda/driver"

// Nth makes an [Options].Inject: the n-th call of a name, from 1 on, fails with a code.
func Nth(call string, n int, code driver.Code) func(string) driver.Code {
	return func(name string) driver.Code {
		if name == call {
			if n--; n == 0 {
				return code
			}
		}
		return driver.Success
	}
}

var _ driver.Driver = (*Device)(nil)
