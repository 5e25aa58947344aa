// Package trial runs the tests of workflows: it renders what a test asks for, holds it against the goldens, and says what decided and where
// the run left the golden. It can rewrite goldens, or stage new ones for a person to accept.
package trial
