package driver

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestError(t *testing.T) {
	err := fmt.Errorf("upload: %w", Errorf("cuMemAlloc", OutOfMemory, "%d bytes", 42))
	if !errors.Is(err, OutOfMemory) || errors.Is(err, NoDevice) {
		t.Errorf("the code is lost: %v", err)
	}
	var e *Error
	if !errors.As(err, &e) || e.Call != "cuMemAlloc" {
		t.Errorf("the call is lost: %v", err)
	}
	want := "upload: cuMemAlloc: 42 bytes: out of device memory (CUDA_ERROR_OUT_OF_MEMORY)"
	if err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if s := Code(12345).Error(); !strings.Contains(s, "12345") {
		t.Errorf("an unknown code hides its number: %q", s)
	}
}

func TestDim(t *testing.T) {
	if n := (Dim{2, 3, 4}).Count(); n != 24 {
		t.Errorf("%d, want 24", n)
	}
	if n := D2(5, 7).Count() * D1(3).Count(); n != 105 {
		t.Errorf("%d, want 105", n)
	}
}
