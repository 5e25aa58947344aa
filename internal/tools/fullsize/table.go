package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/parity"
)

// reference is what the script said of diffusers.
type reference struct {
	Seconds float64 `json:"seconds"`
	Decode  float64 `json:"decode_seconds"`
	Peak    int64   `json:"peak_bytes"`
}

// print writes the tables of docs/full-size.md.
func print(w io.Writer, dir string, list []measured) error {
	data, err := os.ReadFile(filepath.Join(dir, "goldens", "reference.json"))
	if err != nil {
		return err
	}
	var stages map[string]json.RawMessage
	if err := json.Unmarshal(data, &stages); err != nil {
		return err
	}
	fmt.Fprintf(w, "| part | precision | mistake | worst block | its difference | result | its difference | bound |\n|---|---|---|---|--:|---|--:|--:|\n")
	var broken error
	for _, m := range list {
		rows := bounded(m)
		worst := rows[0]
		for _, r := range rows {
			if !(r.Difference/r.Bound <= worst.Difference/worst.Bound) {
				worst = r
			}
		}
		end := result(rows, m.Part)
		fmt.Fprintf(w, "| %s | %s | %s | %s | %.1e | %s | %.1e | %.0e |\n", m.Part, m.Precision, m.Mistake, worst.Block, worst.Difference, end.Block, end.Difference, end.Bound)
		ratio := parity.Worst(rows)
		if m.Mistake != "" {
			ratio = end.Difference / end.Bound
		}
		if m.Precision == "fp32" && m.Mistake == "" && !(ratio <= 1) || m.Mistake != "" && !(ratio >= 10) {
			broken = fmt.Errorf("%s %s %s: %.3g times the bound", m.Part, m.Precision, m.Mistake, ratio)
		}
	}
	fmt.Fprintf(w, "\n| part | by | time | resident | of it private | planned |\n|---|---|--:|--:|--:|--:|\n")
	const gb = 1e9
	for _, m := range list {
		if m.Mistake != "" {
			continue
		}
		if m.Precision == "fp32" {
			var r reference
			if err := json.Unmarshal(stages["golden_"+map[string]string{"text": "text", "step": "unet", "vae": "vae"}[m.Part]], &r); err != nil {
				return err
			}
			fmt.Fprintf(w, "| %s | diffusers fp32 | %.1f s | %.1f GB | | |\n", m.Part, r.Seconds+r.Decode, float64(r.Peak)/gb)
		}
		fmt.Fprintf(w, "| %s | flow %s | %.1f s | %.1f GB | %.1f GB | %.2f GB |\n", m.Part, m.Precision, m.Seconds,
			float64(m.Peak.Resident)/gb, float64(m.Peak.Private)/gb, float64(m.Planned)/gb)
	}
	printBlocks(w, list)
	return broken
}

// printBlocks writes the difference of every block of the UNet.
func printBlocks(w io.Writer, list []measured) {
	fmt.Fprintf(w, "\n| block of the UNet | fp32 | bf16 |\n|---|--:|--:|\n")
	half := make(map[string]float64)
	for _, m := range list {
		if m.Precision == "bf16" {
			for _, r := range m.Rows {
				half[r.Block] = r.Difference
			}
		}
	}
	for _, m := range list {
		if m.Part == "step" && m.Precision == "fp32" && m.Mistake == "" {
			for _, r := range m.Rows {
				fmt.Fprintf(w, "| %s | %.1e | %.1e |\n", r.Block, r.Difference, half[r.Block])
			}
		}
	}
}

// result finds what a part is for.
func result(rows []parity.Row, part string) parity.Row {
	for _, r := range rows {
		if strings.HasSuffix(r.Block, map[string]string{"text": "positive.prompt_embeds", "step": ".sample", "vae": "image"}[part]) {
			return r
		}
	}
	return parity.Row{}
}

// bounded gives the rows of a part with the bounds of full size.
func bounded(m measured) []parity.Row {
	rows := append([]parity.Row(nil), m.Rows...)
	for i := range rows {
		if m.Part == "step" {
			rows[i].Bound = StepBound
		}
	}
	return rows
}
