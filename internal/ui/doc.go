// Package ui shows the events of a run: as text on a terminal with live
// progress, as plain lines where output is piped, and as JSON lines for programs.
package ui
