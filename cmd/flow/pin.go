package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/runtime/cache"
)

func cachePin(a *app) *cobra.Command {
	return a.pinning("pin", "Keep a record from gc and from trimming", "Keeps the record whose key begins with KEY, however long it is not used; clear removes it all the same.", (*cache.Disk).Pin)
}

func cacheUnpin(a *app) *cobra.Command {
	return a.pinning("unpin", "Let a pinned record go when its time comes", "Takes the pin from the record whose key begins with KEY.", (*cache.Disk).Unpin)
}

// pinning is a command that does something to one record.
func (a *app) pinning(name, short, long string, do func(*cache.Disk, cache.ActionKey) error) *cobra.Command {
	return &cobra.Command{Use: name + " KEY", Short: short, Long: long, Args: takes(1, 1, "one KEY"), RunE: func(_ *cobra.Command, args []string) error {
		d, err := disk(false)
		if err != nil {
			return err
		}
		defer func() { _ = d.Close() }()
		key, err := keyOf(d, args[0])
		if err != nil {
			return err
		}
		if err := do(d, key); err != nil {
			return &exitError{exitRun, err.Error()}
		}
		fmt.Fprintf(a.out, "%sned %s\n", name, key)
		return nil
	}}
}
