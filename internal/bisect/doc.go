// Package bisect finds where two runs part first: two workflow files, pictures or records. It names the node and the step of its loop, what they were
// asked otherwise and where that stands in the files, and measures how far what they made is apart.
package bisect
