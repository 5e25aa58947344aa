//go:build !unix

package cache

import "errors"

// childLimit needs a system with limits.
func childLimit(string) error { return errors.ErrUnsupported }
