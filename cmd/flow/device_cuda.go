//go:build cuda && cgo

package main

import "github.com/seed-8af8f8e1/flow/cuda/cudrv"

func init() { openDevice = cudrv.Open }
