package weights

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// maxSmallFile bounds configuration, tokenizer and index files. The largest
// known, a CLIP tokenizer.json, has 4 MB.
const maxSmallFile = 32 << 20

// readSmall reads a small file. A missing one is an error that errors.Is(fs.ErrNotExist) knows.
func readSmall(path string) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		problem := "cannot open the file"
		if errors.Is(err, fs.ErrNotExist) {
			problem = "the model lacks this file"
		}
		return nil, &Error{File: path, Problem: problem, Err: err}
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxSmallFile+1))
	if err != nil {
		return nil, &Error{File: path, Problem: "cannot read the file", Err: err}
	}
	if len(data) > maxSmallFile {
		return nil, &Error{File: path, Problem: fmt.Sprintf("more than %d bytes are not accepted", maxSmallFile), Hint: "is this the right file?"}
	}
	return data, nil
}
