// Command schema writes schema/flow.v1.schema.json from the registry of kinds.
package main

import (
	"fmt"
	"os"

	"github.com/seed-8af8f8e1/flow/nodes/kinds"
)

func main() {
	data, err := kinds.Registry().Schema()
	if err == nil {
		err = os.WriteFile(os.Args[1], data, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
