package why

import (
	"fmt"
	"strings"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Types of differences.
const (
	Argument  = "argument"
	Input     = "input"     // another node made something else, or has not made anything yet
	File      = "file"      // the content of an input file
	Component = "component" // of a model; its causes say what of it
	Weights   = "weights"   // tensors of a component
	Config    = "config"    // what a model's configuration or tokenizer says
	Node      = "node"      // one more or less, that changes a model
	Numerics  = "numerics"
	Edition   = "edition"
	Version   = "version" // of the kind of node
	Key       = "key"     // of what keys are made of: another release of flow
)

// Difference is one thing that was asked otherwise.
type Difference struct {
	Type     string       `json:"type"`
	Name     string       `json:"name,omitempty"`     // of the argument, input, file or component
	Node     string       `json:"node,omitempty"`     // that it belongs to, where that is another than the one that was asked about
	Was      string       `json:"was,omitempty"`      // as a person writes it; of contents the digest's beginning
	Is       string       `json:"is,omitempty"`       // likewise; empty for an input that is not known yet
	Line     int          `json:"line,omitempty"`     // in the workflow file
	Column   int          `json:"column,omitempty"`   //
	By       string       `json:"given_by,omitempty"` // what gave the value instead of the file, such as "-p seed"
	Of       int          `json:"of,omitempty"`       // tensors, of which Parts differ
	Parts    []string     `json:"parts,omitempty"`    // names of tensors, or settings as "NAME: WAS -> IS"
	Because  []Difference `json:"because,omitempty"`  // of an input or component
	Unknown  bool         `json:"unknown,omitempty"`  // an input that is not known yet: it may prove to be the same
	Untraced bool         `json:"untraced,omitempty"` // nothing is known of what it was made of then
	Same     bool         `json:"same,omitempty"`     // the node of an unknown input does what it did, and has to do it again
	Path     string       `json:"path,omitempty"`     // of the file, as the workflow has it
	More     int          `json:"more,omitempty"`     // Parts that are left out
}

// at sets the place.
func (d Difference) at(p spec.Pos) Difference {
	d.Line, d.Column = p.Line, p.Col
	return d
}

// given sets the place of an argument: that of the value in the file, or of what gave a parameter its value.
func (d Difference) given(p nodes.Place, node spec.Pos) Difference {
	d = d.at(p.Pos)
	if !p.Pos.Known() {
		d = d.at(node)
	}
	if p.Default.Known() {
		d = d.at(p.Default) // the line to change
	}
	d.By = strings.Join(p.By, ", ")
	return d
}

// String is the difference on one line, with its place and what it is because of.
func (d Difference) String() string {
	s := d.head()
	if len(d.Because) > 0 {
		s += ": " + Line(d.Because)
	}
	return s
}

// head is the difference with its place, without what it is because of.
func (d Difference) head() string {
	s := d.what()
	if where := d.where(); where != "" {
		s += ", " + where
	}
	if len(d.Because) > 0 && d.Type == Input {
		s += fmt.Sprintf(", because %s differs", d.Node)
	}
	return s
}

// Line joins differences on one line.
func Line(list []Difference) string {
	texts := make([]string, len(list))
	for i, d := range list {
		texts[i] = d.String()
	}
	return strings.Join(texts, "; ")
}

// Tree is the difference on lines: below each what it is because of, further in. Causes of inputs are left out where told says of a node that it is
// told of elsewhere.
func (d Difference) Tree(told func(node string) bool) []string {
	out := []string{d.head()}
	if d.Type == Input && told(d.Node) {
		return out
	}
	for _, b := range d.Because {
		for _, line := range b.Tree(told) {
			out = append(out, "  "+line)
		}
	}
	return out
}

// where is the place in words.
func (d Difference) where() string {
	switch {
	case d.Line > 0 && d.By != "":
		return fmt.Sprintf("line %d (%s)", d.Line, d.By)
	case d.By != "":
		return d.By
	case d.Line > 0:
		return fmt.Sprintf("line %d", d.Line)
	}
	return ""
}

// what is the difference without its place.
func (d Difference) what() string {
	was, is := Beside(d.Was, d.Is)
	change := was + " -> " + is
	of := ""
	if d.Node != "" {
		of = " of " + d.Node
	}
	switch d.Type {
	case Argument:
		return fmt.Sprintf("argument %s%s: %s", d.Name, of, change)
	case Input:
		switch {
		case d.Same:
			return fmt.Sprintf("input %s: %s does what it did, and is not done yet", d.Name, d.Node)
		case d.Unknown && len(d.Because) == 0:
			return fmt.Sprintf("input %s: %s has not made it yet", d.Name, d.Node)
		case len(d.Because) > 0:
			return "input " + d.Name
		}
		return fmt.Sprintf("input %s%s: %s", d.Name, of, change)
	case File:
		return fmt.Sprintf("content of file %s (%s): %s", d.Name, d.Path, change)
	case Component:
		if len(d.Because) > 0 {
			return fmt.Sprintf("%s differs", d.Name)
		}
		s := fmt.Sprintf("%s: %s", d.Name, change)
		if d.Untraced {
			s += " (of what it was made then is not known)"
		}
		return s
	case Weights, Config:
		return d.content(of, change)
	case Node:
		return fmt.Sprintf("node %s: %s", d.Name, change)
	case Version:
		return "kind: " + change
	case Key:
		return fmt.Sprintf("what keys are made of, version %s: another release of flow", change)
	}
	return fmt.Sprintf("%s: %s", d.Type, change)
}

// content is the difference of weights or of what describes them.
func (d Difference) content(of, change string) string {
	s := fmt.Sprintf("%s%s", d.Name, of)
	if d.Path != "" {
		s += fmt.Sprintf(" (%s)", d.Path)
	}
	if len(d.Parts) == 0 {
		return s + ": " + change
	}
	more := ""
	if d.More > 0 {
		more = fmt.Sprintf(" and %d more", d.More)
	}
	if d.Type == Weights {
		return fmt.Sprintf("%s: %d of %d tensors, %s%s", s, len(d.Parts)+d.More, d.Of, strings.Join(d.Parts, ", "), more)
	}
	return fmt.Sprintf("%s: %s%s", s, strings.Join(d.Parts, ", "), more)
}
