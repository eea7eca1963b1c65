package spool

import (
	"io"
	"time"
)

// FS is what a spool asks of a file system. The real one is the default; tests
// bring one that loses power.
type FS interface {
	// Mkdir makes one directory that only its owner may enter. It answers
	// fs.ErrExist where something is there, fs.ErrNotExist where its parent is not.
	Mkdir(dir string) error
	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error
	// OpenDir opens the directory of a spool, checks that nobody else may enter
	// it, and locks it against other processes.
	OpenDir(dir string) (Dir, error)
}

// Dir is an open directory. Its names are plain: nothing in it leads out.
type Dir interface {
	// List returns the regular files. Whatever else lies there is Other.
	List() ([]FileInfo, error)
	Open(name string) (File, error)   // to read and write
	Create(name string) (File, error) // fs.ErrExist where the name is taken
	Rename(from, to string) error
	Remove(name string) error
	Sync() error          // makes the names durable
	Free() (int64, error) // bytes that the disk can still take
	Close() error         // gives the lock back
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// FileInfo describes an entry of a Dir.
type FileInfo struct {
	Name    string
	Size    int64
	ModTime time.Time
	Other   bool // no regular file: a link, a pipe, a directory
}
