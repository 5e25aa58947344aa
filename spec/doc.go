// Package spec reads workflow files: YAML text to a [Document] in which every
// value knows its position, and diagnostics that say where a mistake is and what
// to do about it. It knows the language but no kind of node. It is not a stable
// API before v1.
package spec
