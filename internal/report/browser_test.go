package report

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/graph"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// browser is a headless Chromium, spoken to over a pair of pipes (Chrome DevTools Protocol).
type browser struct {
	t        *testing.T
	in       *os.File
	out      *bufio.Reader
	id       int
	session  string
	problems []string // violations of the policy and errors of scripts
}

// chromium starts a browser, or skips the test where there is none.
func chromium(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv("FLOW_TEST_BROWSER") != "" {
			t.Fatal("there is no Chromium, and FLOW_TEST_BROWSER asks for it")
		}
		t.Skip("there is no Chromium; .ci/run installs it")
	}
	fromUs, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, toUs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	c.ExtraFiles = []*os.File{fromUs, toUs}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	_ = fromUs.Close()
	_ = toUs.Close()
	b := &browser{t: t, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		_, _ = fmt.Fprintf(in, `{"id":0,"method":"Browser.close"}`+"\x00")
		timer := time.AfterFunc(5*time.Second, func() { _ = c.Process.Kill() })
		defer timer.Stop()
		_ = c.Wait()
		_, _ = in.Close(), out.Close()
	})
	timer := time.AfterFunc(120*time.Second, func() { _ = c.Process.Kill() })
	t.Cleanup(func() { timer.Stop() })
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call calls a method and waits for its answer.
func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	b.id++
	message := map[string]any{"id": b.id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	data, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(data, 0)); err != nil {
		b.t.Fatal(err)
	}
	for {
		var m struct {
			ID     int
			Method string
			Params json.RawMessage
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		line, err := b.out.ReadBytes(0)
		if err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
		if err := json.Unmarshal(line[:len(line)-1], &m); err != nil {
			b.t.Fatal(err)
		}
		switch {
		case m.Method == "Log.entryAdded", m.Method == "Runtime.exceptionThrown", m.Method == "Runtime.consoleAPICalled":
			b.problems = append(b.problems, string(m.Params))
		case m.Method == "Page.javascriptDialogOpening":
			b.problems = append(b.problems, "a dialog: "+string(m.Params))
		}
		if m.ID != b.id {
			continue
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatal(err)
			}
		}
		return
	}
}

// eval evaluates an expression of the page to a value.
func (b *browser) eval(expression string, to any) {
	b.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, r.ExceptionDetails)
	}
	if err := json.Unmarshal(r.Result.Value, to); err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
}

// open opens a page in a scheme (light or dark) on a screen of some width.
func (b *browser) open(path, scheme string, width int) {
	b.t.Helper()
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.call("Page.navigate", map[string]any{"url": "file://" + path}, nil)
	for range 200 {
		var ready string
		b.eval(`document.readyState === "complete" && document.documentElement.dataset.ready || ""`, &ready)
		if ready == "yes" {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.t.Fatalf("the page's script did not run; %v", b.problems)
}

// shot takes a picture of the page as it is seen.
func (b *browser) shot() image.Image {
	b.t.Helper()
	var r struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &r)
	data, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	if dir := os.Getenv("FLOW_TEST_SHOTS"); dir != "" {
		name := strings.NewReplacer("/", "-", " ", "-").Replace(b.t.Name()) + ".png"
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			b.t.Fatal(err)
		}
	}
	return img
}

// painted is a picture of one colour with a square of another.
func painted(base, square color.NRGBA) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := range 64 * 64 {
		c := base
		if x, y := i%64, i/64; x >= 40 && x < 56 && y >= 8 && y < 24 {
			c = square
		}
		img.SetNRGBA(i%64, i/64, c)
	}
	return encode(img)
}

// sample is a page of two runs and two tests, with texts that try to be more than text.
func sample(evil string) *Page {
	sky, sun, moon := color.NRGBA{40, 90, 200, 255}, color.NRGBA{250, 220, 60, 255}, color.NRGBA{200, 200, 210, 255}
	run := func(cell string) *Run {
		r := &Run{File: "castle.flow.yaml", Name: "castle", Cell: cell, Class: "bf16@1", Edition: "diffusers", Device: "cpu",
			Params: []Param{{"prompt", "a castle " + evil, true, false}, {"seed", "42", false, false}, {"sag", "0, 1", false, true}}, Nodes: []*Node{{Name: "base", Kind: "load-model@1"}},
			Pictures: []Picture{{Label: "picture", Path: "out/" + evil + ".png", PNG: painted(sky, sun), Loop: "latents"}},
			Graph: graph.Graph{Nodes: []graph.Node{{Name: "base", Kind: "load-model"}, {Name: "latents", Kind: "denoise"}, {Name: "text", Kind: evil}},
				Edges: []graph.Edge{{From: 0, To: 1, Label: "model"}, {From: 0, To: 2, Label: "model"}}}}
		now := time.Unix(1000, 0)
		r.Emit(event.Event{Type: event.NodeHit, Node: "text", Kind: "encode-prompt", Key: strings.Repeat("ab", 32)})
		r.Emit(event.Event{Type: event.NodeStarted, Node: "latents", Kind: "denoise", Key: strings.Repeat("cd", 32), Reason: evil, Total: 3, Time: now})
		for i := range 3 {
			now = now.Add(time.Duration(i+1) * time.Second)
			r.Emit(event.Event{Type: event.NodeProgress, Node: "latents", Done: i + 1, Total: 3, Time: now})
			l := Latents{Step: i + 1, Height: 8, Width: 8, Channels: 4, Data: make([]float32, 256)}
			for k := range l.Data {
				l.Data[k] = float32((k*7+i)%13) - 6
			}
			r.Follow("latents", l)
		}
		r.Emit(event.Event{Type: event.NodeDone, Node: "latents", Seconds: 6})
		r.Emit(event.Event{Type: event.Warning, Node: "latents", Message: evil})
		r.Emit(event.Event{Type: event.RunDone, Message: "done", Seconds: 6.5})
		return r
	}
	want, got := painted(sky, sun), painted(sky, moon)
	heat, most := Heat(want, got)
	matrix := run("")
	matrix.Pictures = nil
	for i := range 5 {
		matrix.Pictures = append(matrix.Pictures, Picture{Label: "picture[" + evil + "]", Path: evil, PNG: painted(color.NRGBA{uint8(50 * i), 90, 60, 255}, sun)})
	}
	matrix.Pictures[2].PNG = nil
	matrix.Grids = []Grid{{Output: "picture " + evil, Columns: []string{"sag=0", "sag=" + evil, "sag=1", "sag=2"}, Rows: []GridRow{{"seed=42", []int{0, 1, -1, 3}}, {"seed=" + evil, []int{2, -1, -1, 3}}},
		Loose: []Placed{{"seed=7," + evil, 4}}}}
	return &Page{Title: "castle " + evil, Release: "devel", Machine: "linux", Runs: []*Run{matrix, run("seed=42 " + evil), run("seed=43")}, Orphans: []string{evil},
		Tests: []*Test{
			{File: "dir/" + evil + ".flow.yaml", Name: "render", Doc: evil, State: Failed, Seconds: 1, Line: 30, Column: 7, Run: run(""), Expected: []*Expected{{
				Output: "image.image", Golden: "goldens/" + evil + ".png", State: Failed, Reason: "ssim 0.91, wants at least 0.98 " + evil, Want: want, Got: got, Heat: heat, HeatMost: most,
				Measures: []Measure{{"ssim", "0.91", "at least 0.98", true}},
				Where:    Divergence{Node: "latents", Step: 2, Text: `node "latents", step 2 of 3 ` + evil, Across: []Kept{{1, 0.99999, 0.001, true}, {2, 0.9, 0.2, false}}}}}},
			{File: "b.flow.yaml", Name: "other", State: Skipped, Message: "of tier slow"},
		}}
}

// TestPageInBrowser looks at a page in light and dark, wide and narrow: nothing is wider than the screen, the colours are those of the scheme, the policy
// lets its own style and script through, and the slider moves.
func TestPageInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a browser")
	}
	b := chromium(t)
	file := filepath.Join(t.TempDir(), "page.html")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	page := sample(`<img src=x onerror=alert(1)>"'` + "\u202e]]>\x1b[2J::error::x</script><script>alert(2)</script>")
	if err := page.HTML(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	whole := b
	for _, x := range []struct {
		scheme string
		width  int
		dark   bool
	}{{"light", 1280, false}, {"dark", 1280, true}, {"light", 400, false}, {"dark", 400, true}} {
		t.Run(fmt.Sprintf("%s %d", x.scheme, x.width), func(t *testing.T) {
			b := *whole
			b.t = t
			defer func() { whole.id = b.id }()
			b.open(file, x.scheme, x.width)
			var wide, foreign, pictures int
			b.eval(`document.documentElement.scrollWidth`, &wide)
			if wide > x.width {
				t.Errorf("the page is %d wide on a screen of %d", wide, x.width)
			}
			b.eval(`document.querySelectorAll("script").length + document.querySelectorAll("img:not([src^='data:'])").length - 1`, &foreign)
			if foreign != 0 {
				t.Errorf("%d foreign elements", foreign)
			}
			b.eval(`[...document.images].filter(i => i.naturalWidth > 0).length`, &pictures)
			if pictures < 10 {
				t.Errorf("%d pictures", pictures)
			}
			r, g, blue, _ := b.shot().At(3, 3).RGBA()
			if dark := r+g+blue < 3*0x4000; dark != x.dark {
				t.Errorf("background %04x %04x %04x", r, g, blue)
			}
			var cut string
			b.eval(`(() => { const s = document.querySelector(".slide-bar"); s.value = 25; s.dispatchEvent(new Event("input")); return getComputedStyle(document.querySelector(".slide .top")).clipPath })()`, &cut)
			if !strings.Contains(cut, "25%") {
				t.Errorf("the slider leaves the picture at %s", cut)
			}
			var tallest float64 // of rows of nodes: no column is squeezed to a letter
			b.eval(`Math.max(...[...document.querySelectorAll("td.key")].map(c => c.parentElement.getBoundingClientRect().height))`, &tallest)
			if tallest > 160 {
				t.Errorf("a row of nodes is %g high", tallest)
			}
			var cells, least float64
			b.eval(`document.querySelectorAll("table.matrix img").length`, &cells)
			b.eval(`Math.min(...[...document.querySelectorAll("table.matrix img")].map(i => i.getBoundingClientRect().width))`, &least)
			if cells != 4 || least < 150 {
				t.Errorf("the matrix has %g pictures of %g pixels and more", cells, least)
			}
			var shown float64
			b.eval(`document.querySelector(".grid img").getBoundingClientRect().width`, &shown)
			if least := min(360.0, float64(x.width)-40); shown < least {
				t.Errorf("a picture is %g wide", shown)
			}
			if len(b.problems) > 0 {
				t.Errorf("%v", b.problems)
			}
		})
	}
}
