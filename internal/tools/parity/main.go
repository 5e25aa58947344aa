// Command parity prints how far flow lies from diffusers, and bf16 from fp32, as the Markdown of docs/parity.md.
// It runs at the top of the repository and takes some seconds:
//
//	go run ./internal/tools/parity > docs/parity.md
//
// The goldens that it compares with are made by the scripts in internal/tools/goldens.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
)

func main() {
	root := flag.String("root", ".", "top of the repository")
	flag.Parse()
	r, err := measure(context.Background(), *root)
	if err == nil {
		err = r.write(os.Stdout)
	}
	if err == nil {
		err = r.failed()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "parity:", err)
		os.Exit(1)
	}
}
