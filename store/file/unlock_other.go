//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package file

import "os"

// unlock leaves bbolt's lock in place; it ends with the process.
func unlock(*os.File) error { return nil }
