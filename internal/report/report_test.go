package report

import (
	"bytes"
	"encoding/xml"
	"html"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/graph"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// evil tries to be markup, a command, the end of a section, a cursor movement and a turn of direction.
const evil = "<script>alert(1)</script>\"'`|\\ ]]> ${x} [a](b) @user\n::error::x%0A\x1b[2J\r\u202etxt.exe\u2066"

// unsafe finds what no output may hold.
var unsafe = regexp.MustCompile("[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u202a-\u202e\u2066-\u2069]")

func TestHTMLEscapes(t *testing.T) {
	var b bytes.Buffer
	if err := sample(evil).HTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if n := strings.Count(page, "<script"); n != 1 {
		t.Errorf("%d scripts", n)
	}
	if m := unsafe.FindString(page); m != "" {
		t.Errorf("the page holds %q", m)
	}
	for _, want := range []string{"default-src &#39;none&#39;", "default-src 'none'"} {
		if strings.Contains(page, want) {
			for _, address := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
				if !strings.HasPrefix(address[1], "data:image/png;base64,") {
					t.Errorf("the page names %.60s", address[1])
				}
			}
			return
		}
	}
	t.Error("the page has no policy")
}

// TestJUnit: what any XML reader reads, with the evil text as text.
func TestJUnit(t *testing.T) {
	p := sample(evil)
	var b bytes.Buffer
	if err := JUnit(&b, p.Tests); err != nil {
		t.Fatal(err)
	}
	var back junitSuites
	if err := xml.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Tests != 2 || back.Failures != 1 || back.Skipped != 1 || len(back.Suites) != 2 {
		t.Errorf("%+v", back)
	}
	if f := back.Suites[0].Cases[0].Failure; f == nil || !strings.Contains(f.Text, "<script>") || !strings.Contains(f.Message, "wants at least 0.98") || !strings.Contains(f.Text, "step 2 of 3") {
		t.Errorf("%+v", f)
	}
	d := xml.NewDecoder(bytes.NewReader(b.Bytes()))
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "script" {
			t.Error("an element out of a text")
		}
	}
	if m := unsafe.FindString(b.String()); m != "" {
		t.Errorf("it holds %q", m)
	}
}

// TestAnnotations: a line a cause, and no command out of a text.
func TestAnnotations(t *testing.T) {
	p := sample(evil)
	var b bytes.Buffer
	if err := Annotations(&b, p.Tests, p.Orphans); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), b.String())
	}
	for i, want := range []string{"::error file=dir/", "::warning file="} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("%s", lines[i])
		}
		properties, message, _ := strings.Cut(strings.TrimPrefix(lines[i], "::"), "::")
		if strings.ContainsAny(properties, "\r\n") || message == "" {
			t.Errorf("%q", lines[i])
		}
	}
	if !strings.Contains(lines[0], ",line=30,col=7,title=flow test%3A render::") || !strings.Contains(lines[0], "%0Anode") {
		t.Error(lines[0])
	}
	if m := unsafe.FindString(strings.ReplaceAll(b.String(), "\n", "")); m != "" {
		t.Errorf("it holds %q", m)
	}
}

// TestSummary: a row a test, and no markup out of a text.
func TestSummary(t *testing.T) {
	p := sample(evil)
	var b bytes.Buffer
	if err := Summary(&b, p.Tests, p.Orphans, p.Staged); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, bad := range []string{"<script", "](", "@user", "`|", "${"} {
		if strings.Contains(text, bad) {
			t.Errorf("the summary has %q:\n%s", bad, text)
		}
	}
	if want := `node "latents", step 2 of 3`; !strings.Contains(html.UnescapeString(text), want) { // a reader sees what stood in the text
		t.Errorf("the summary does not read %q:\n%s", want, text)
	}
	rows := 0
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "| ") {
			rows++
			if n := strings.Count(line, "|"); n != 6 {
				t.Errorf("%d columns: %s", n-1, line)
			}
		}
	}
	if rows != 3 { // with the head
		t.Errorf("%d rows:\n%s", rows, text)
	}
	if m := unsafe.FindString(strings.ReplaceAll(text, "\n", "")); m != "" {
		t.Errorf("it holds %q", m)
	}
}

func at(img image.Image, x, y int) color.NRGBA {
	return color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
}

// TestHeat: black where two pictures are equal, bright where they differ most.
func TestHeat(t *testing.T) {
	sky, sun, moon := color.NRGBA{40, 90, 200, 255}, color.NRGBA{250, 220, 60, 255}, color.NRGBA{250, 220, 90, 255}
	data, most := Heat(painted(sky, sun), painted(sky, moon))
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil || most != 30 {
		t.Fatal(most, err)
	}
	if got := at(img, 1, 1); got != heatStops[0] {
		t.Errorf("%v where nothing differs", got)
	}
	if got := at(img, 48, 16); got != heatStops[len(heatStops)-1] {
		t.Errorf("%v where most differs", got)
	}
	if data, _ := Heat(painted(sky, sun), encode(image.NewNRGBA(image.Rect(0, 0, 8, 8)))); data != nil {
		t.Error("pictures of two sizes are compared")
	}
}

// TestPreviews: latents whose picture is a linear map of theirs are shown in its colours.
func TestPreviews(t *testing.T) {
	img := painted(color.NRGBA{40, 90, 200, 255}, color.NRGBA{250, 220, 60, 255})
	l := Latents{Step: 1, Height: 8, Width: 8, Channels: 4, Data: make([]float32, 256)}
	for i := range 64 {
		if x, y := i%8, i/8; x >= 5 && x < 7 && y >= 1 && y < 3 {
			l.Data[4*i+2] = 1
		}
	}
	r := &Run{Pictures: []Picture{{PNG: img, Loop: "loop"}}}
	r.Follow("loop", l)
	r.draw()
	small, err := png.Decode(bytes.NewReader(r.Nodes[0].Previews[0].PNG))
	if err != nil {
		t.Fatal(err)
	}
	for place, want := range map[[2]int]color.NRGBA{{0, 0}: {40, 90, 200, 255}, {5, 1}: {250, 220, 60, 255}} {
		got := at(small, place[0], place[1])
		if apart(got.R, want.R) > 1 || apart(got.G, want.G) > 1 || apart(got.B, want.B) > 1 {
			t.Errorf("%v is %v, want %v", place, got, want)
		}
	}
}

// A loop that went on from an earlier run has the steps of this one, under their own numbers.
func TestResumedSteps(t *testing.T) {
	r := &Run{Name: "x"}
	now := time.Unix(1000, 0)
	emit := func(what event.Type, done int) {
		r.Emit(event.Event{Type: what, Node: "latents", Done: done, Total: 50, Time: now})
		now = now.Add(2 * time.Second)
	}
	emit(event.NodeStarted, 0)
	emit(event.NodeResumed, 48)
	emit(event.NodeProgress, 48)
	emit(event.NodeProgress, 49)
	emit(event.NodeProgress, 50)
	var b bytes.Buffer
	if err := (&Page{Runs: []*Run{r}}).HTML(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"resumed at step 48: 2 steps, median 2.0 s", "<title>step 49: 2.0 s</title>", "<title>step 50: 2.0 s</title>"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestKeeps(t *testing.T) {
	for _, steps := range []int{1, 8, 24, 25, 50, 1000} {
		n := 0
		for s := 1; s <= steps; s++ {
			if Keeps(s, steps) {
				n++
			}
		}
		if n != min(steps, mostPreviews) || !Keeps(steps, steps) {
			t.Errorf("of %d steps %d are shown", steps, n)
		}
	}
}

// The graph's colours are by state and, of what ran, by time: the longest is the strongest.
func TestGraphIsColouredByTime(t *testing.T) {
	r := &Run{Graph: graph.Graph{Nodes: []graph.Node{{Name: "long"}, {Name: "half"}, {Name: "none"}, {Name: "hit"}, {Name: "out", Output: true}}}}
	for name, s := range map[string]float64{"long": 8, "half": 4, "none": 0} {
		r.Emit(event.Event{Type: event.NodeStarted, Node: name})
		r.Emit(event.Event{Type: event.NodeDone, Node: name, Seconds: s})
	}
	r.Emit(event.Event{Type: event.NodeHit, Node: "hit"})
	r.mark()
	for i, want := range []struct {
		mark string
		fill float64
	}{{"ran", mostFill}, {"ran", (leastFill + mostFill) / 2}, {"ran", leastFill}, {"hit", 0}, {"", 0}} {
		if n := r.Graph.Nodes[i]; n.Mark != want.mark || math.Abs(n.Fill-want.fill) > 1e-9 {
			t.Errorf("%s is %q with %g of its colour, want %q with %g", n.Name, n.Mark, n.Fill, want.mark, want.fill)
		}
	}
	if svg := graph.Inline(r.Graph); !strings.Contains(svg, `<rect class="ran" fill-opacity="0.28"`) || strings.Contains(svg, `class="hit" fill-opacity`) {
		t.Error(svg)
	}
}
