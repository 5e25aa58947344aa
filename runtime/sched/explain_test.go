package sched

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// explain gives the states of a plan's rows.
func explain(t *testing.T, r *rig, text string) (states string, rows map[string]Row) {
	t.Helper()
	p := r.plan(t, text)
	defer p.Close()
	rows = make(map[string]Row)
	for _, row := range Explain(p, r.store, 0) {
		states += row.Step.Name + ":" + row.State + " "
		rows[row.Step.Name] = row
	}
	return states, rows
}

func TestExplain(t *testing.T) {
	r := newRig()
	states, rows := explain(t, r, castle+"  # nothing ran yet\n")
	if states != "base:open text:run noise:run latents:depends image:depends " {
		t.Error(states)
	}
	if rows["text"].Reason != "never run" || rows["text"].Key == nil || rows["latents"].Reason != "reads noise, text, which is not known yet" || rows["latents"].Key != nil {
		t.Errorf("%+v", rows)
	}
	r.now = time.Date(2026, 5, 6, 7, 8, 0, 0, time.Local)
	r.run(t, within(t), castle)
	if r.reset(); r.hashed != 0 {
		t.Fatal("reset")
	}
	states, rows = explain(t, r, castle)
	if states != "base:open text:hit noise:hit latents:hit image:hit " || rows["text"].Reason != "made 2026-05-06 07:08" {
		t.Errorf("%s %+v", states, rows["text"])
	}
	if states, _ = explain(t, r, edit("id: 1,", "id: 11,")); states != "base:open text:run noise:hit latents:depends image:depends " {
		t.Error(states)
	}
	if states, _ = explain(t, r, edit("id: 4,", "id: 5,")); states != "base:open text:hit noise:hit latents:hit image:run " {
		t.Error(states)
	}
	text := castle[:strings.Index(castle, "outputs:")] + "  spare: {kind: step, id: 9}\noutputs:\n  p: {from: $image, path: p.png}\n"
	if states, _ = explain(t, r, text); !strings.Contains(states, "spare:unused ") {
		t.Error(states)
	}
	r.unread = 1000
	states, rows = explain(t, r, castle)
	if states != "base:open text:unknown noise:hit latents:depends image:depends " || rows["text"].Unread != 1000 || rows["latents"].Unread != 1000 {
		t.Errorf("%s %+v", states, rows["text"])
	}
	if len(r.ran) != 0 || r.hashed != 0 {
		t.Errorf("explaining ran %v and hashed %d parts", r.ran, r.hashed)
	}
}

// TestExplainAThousandNodes within the time that a plan has.
func TestExplainAThousandNodes(t *testing.T) {
	text := "nodes:\n  m: {kind: open}\n  n0: {kind: step, id: 1}\n"
	for i := 1; i < 1000; i++ {
		text += fmt.Sprintf("  n%d: {kind: step, id: 1, model: $m, in: [$n%d, $n%d]}\n", i, i-1, i/2)
	}
	r := newRig()
	p := r.plan(t, text)
	defer p.Close()
	best := time.Hour
	for range 5 {
		began := time.Now()
		Explain(p, r.store, 0)
		best = min(best, time.Since(began))
	}
	t.Log(best)
	if best > 500*time.Millisecond {
		t.Errorf("%v", best)
	}
}

func TestPlannedPeak(t *testing.T) {
	r := newRig() // a node works with 1000 bytes times its id; latents of 10 elements, images of 3
	file := `nodes:
  a: {kind: step, id: 1}
  b: {kind: step, id: 2, in: [$a]}
  c: {kind: step, id: 3, in: [$b]}
  d: {kind: paint, id: 4, in: [$a, $c]}
outputs: {p: {from: $d, path: p.png}}
`
	peaks := func(text string) (out []int64) {
		p := r.plan(t, text)
		defer p.Close()
		for _, row := range Explain(p, r.store, 0) {
			out = append(out, row.Peak)
		}
		return out
	}
	if got := fmt.Sprint(peaks(file)); got != fmt.Sprint([]int64{1040, 2080, 3120, 4092}) { // while c runs, a is kept for d
		t.Errorf("peaks %v", got)
	}
	r.run(t, within(t), file)
	if got := fmt.Sprint(peaks(strings.ReplaceAll(file, "id: 3,", "id: 30,"))); got != fmt.Sprint([]int64{1040, 2080, 30080, 4092}) { // a is not read before d
		t.Errorf("peaks %v", got)
	}
}

func TestCheckMemory(t *testing.T) {
	r := newRig()
	p := r.plan(t, castle)
	defer p.Close()
	rows := Explain(p, r.store, 0)
	need := rows[4].Peak + baseBytes
	for limit, ok := range map[int64]bool{0: true, -1: true, need: true, need - 1: false, 1: false} {
		err := CheckMemory(rows, limit)
		if (err == nil) != ok {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	if err := CheckMemory(rows, 1); err == nil || !strings.Contains(err.Error(), `node "image" needs 67 MB`) {
		t.Errorf("not the step that needs most: %v", err)
	}
	err := CheckMemory(rows, need-1)
	if err == nil || !strings.Contains(err.Error(), `node "image" needs 67 MB of memory and the run may use 67 MB`) || !strings.Contains(err.Error(), "--memory") {
		t.Errorf("%v", err)
	}
	r.run(t, within(t), castle)
	p2 := r.plan(t, castle)
	defer p2.Close()
	if err := CheckMemory(Explain(p2, r.store, 0), 1); err != nil { // what is in the store needs no memory to speak of
		t.Error(err)
	}
}
