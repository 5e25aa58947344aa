package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
)

// checkpointEvery is how often a loop keeps its state, so that a run that was killed goes on from there.
const checkpointEvery = 10 * time.Second

// checkpoints is how often a loop keeps its state; 0 for never.
func checkpoints() (time.Duration, error) {
	switch text := os.Getenv("FLOW_CHECKPOINT"); text {
	case "":
		return checkpointEvery, nil
	case "off":
		return 0, nil
	default:
		every, err := time.ParseDuration(text)
		if err != nil || every <= 0 {
			return 0, fmt.Errorf("FLOW_CHECKPOINT=%s is no time; write 10s, 2m or off", text)
		}
		return every, nil
	}
}

// unfinished adds rows for the actions that no run has finished to the table of records.
func unfinished(w io.Writer, d *cache.Disk) {
	for c, err := range d.Checkpoints() {
		if err != nil {
			fmt.Fprintf(w, "-\t%v\t\t\t\t\n", err)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s, step %d of %d\n", short(c.Key.String()), safetext.Line(kindOf(c.Action)), safetext.Line(c.Meta["node"]), humanize.Bytes(uint64(len(c.State))),
			c.Created.Local().Format("2006-01-02 15:04"), c.Spent.Round(time.Millisecond), c.Step, c.Total)
	}
}

// checkpointOf finds the one checkpoint whose key begins with a text; nil for none or several.
func checkpointOf(d *cache.Disk, begin string) *cache.Checkpoint {
	var found *cache.Checkpoint
	for c, err := range d.Checkpoints() {
		if err != nil || !strings.HasPrefix(c.Key.String(), strings.ToLower(begin)) {
			continue
		}
		if found != nil {
			return nil
		}
		found = c
	}
	return found
}
