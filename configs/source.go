package configs

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The names of the layers, lowest first.
const (
	layerDefaults = "defaults"
	layerFile     = "file"
	layerConfD    = "conf_d"
	layerPush     = "push"
	layerManaged  = "managed"
	layerFlags    = "flags" // of a foreground run; operational keys only
	layerFloor    = "floor" // a signed floor: no layer, but read like one
)

// maxFiles bounds the files of one folder.
const maxFiles = 256

// AgentPaths says where the files of the agent's settings are. An empty path
// means that there is no such layer.
type AgentPaths struct {
	File      string // agent.yaml
	Optional  bool   // File may be missing
	ConfDir   string // its *.yaml go over File, in lexical order
	PushFile  string // signed bundle that was pushed; may be missing
	TakenFile string // the one that the gateway pushed, read where PushFile is not there
	FloorFile string // signed floor; may be missing
	PolicyDir string // its *.yaml are the managed policy, in lexical order

	SettingsKey string // key of the Windows registry that goes before ConfDir; may be missing
	PolicyKey   string // key of the Windows registry that goes over PolicyDir; may be missing
	Preferences string // property list of forced preferences, managed policy over PolicyDir; may be missing
}

// AgentPathsFor returns the paths of file and of its siblings conf.d, push.json,
// floor.json and policy.d.
func AgentPathsFor(file string) AgentPaths {
	dir := filepath.Dir(file)
	return AgentPaths{File: file, ConfDir: filepath.Join(dir, "conf.d"), PushFile: filepath.Join(dir, "push.json"), FloorFile: filepath.Join(dir, "floor.json"), PolicyDir: filepath.Join(dir, "policy.d")}
}

// DefaultAgentPaths returns the paths of this system. On Windows they hold the keys
// of the registry too, and agent.yaml may be missing: no package lays one there.
func DefaultAgentPaths() AgentPaths {
	at := SystemPlaces()
	p := AgentPathsFor(filepath.Join(at.Config, "agent.yaml"))
	p.SettingsKey, p.PolicyKey, p.Preferences = at.SettingsKey, at.PolicyKey, at.Preferences
	p.Optional = at.SettingsKey != ""
	return p
}

// DefaultGatewayFile returns the path of gateway.yaml on this system.
func DefaultGatewayFile() string { return filepath.Join(SystemPlaces().Config, "gateway.yaml") }

// files is how a source is read; tests put their own in its place.
type files interface {
	// Read returns the bytes of a regular file, at most maxFile+1, and its mode.
	Read(path string) ([]byte, fs.FileMode, error)
	// List returns the names in a folder, sorted.
	List(dir string) ([]string, error)
	// Key returns a key of the registry with all that is below it.
	Key(path string) (regKey, error)
}

type diskFiles struct{}

func (diskFiles) Read(path string) ([]byte, fs.FileMode, error) {
	// A pipe would block the open, so it is refused before.
	if st, err := os.Stat(path); err != nil {
		return nil, 0, err
	} else if !st.Mode().IsRegular() {
		return nil, 0, errNotRegular
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	return data, st.Mode(), err
}

func (diskFiles) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

var errNotRegular = errors.New("not a regular file")

// noSuchFile is the fault of a file that is not there.
const noSuchFile = "no such file"

// source is one file, or one key of the registry written as one, as it was found.
type source struct {
	layer string
	file  string
	data  []byte
	mode  fs.FileMode
	fault *Fault // it could not be read, or must not be

	faults []Fault // of a key of the registry: values without a type of ours
	plist  bool    // a property list, else YAML
}

// check reads data, which is the source's own or its last good form.
func (s source) check(data []byte, table []key) *layer {
	if inRegistry(s.file) {
		return checkKey(s, data, table)
	}
	if s.plist {
		return checkPlist(s.layer, data, table)
	}
	return check(s.layer, s.file, data, table)
}

// readSource reads one file.
func readSource(layer, file string, disk files) source {
	s := source{layer: layer, file: file}
	var err error
	s.data, s.mode, err = disk.Read(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.fault = &Fault{File: file, Text: noSuchFile, Hint: "write it, or name another with --config"}
	case errors.Is(err, fs.ErrPermission):
		s.fault = &Fault{File: file, Text: "not readable by this user", Hint: "run as the agent's user or as an administrator"}
	case err != nil:
		s.fault = &Fault{File: file, Text: "cannot be read: " + cause(err).Error()}
	default:
		s.fault = writableFault(file, s.mode)
	}
	return s
}

// cause strips the path, which the fault names already.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// readSources reads every file and key that p names, lowest layer first.
func readSources(p AgentPaths, disk files, table []key) ([]source, []Warning) {
	var out []source
	var warnings []Warning
	one := func(layer, file string, optional bool) (found bool) {
		if file == "" {
			return false
		}
		var s source
		if inRegistry(file) {
			s = readKey(layer, file, disk, table)
		} else {
			s = readSource(layer, file, disk)
		}
		if s.fault != nil && optional && s.fault.Text == noSuchFile {
			return false
		}
		out = append(out, s)
		return true
	}
	dir := func(layer, path string) {
		names, ws, fault := listYAML(path, disk)
		if fault != nil {
			out = append(out, source{layer: layer, file: path, fault: fault})
		}
		warnings = append(warnings, ws...)
		for _, name := range names {
			one(layer, filepath.Join(path, name), true) // removed since it was listed
		}
	}
	one(layerFile, p.File, p.Optional)
	one(layerConfD, p.SettingsKey, true)
	dir(layerConfD, p.ConfDir)
	if !one(layerPush, p.PushFile, true) {
		one(layerPush, p.TakenFile, true)
	}
	dir(layerManaged, p.PolicyDir)
	one(layerManaged, p.PolicyKey, true)
	if n := len(out); p.Preferences != "" {
		if one(layerManaged, p.Preferences, true); len(out) > n {
			out[n].plist = true
		}
	}
	one(layerFloor, p.FloorFile, true)
	return out, warnings
}

// listYAML returns the names of the *.yaml in a folder. A folder that is not
// there is empty.
func listYAML(dir string, disk files) ([]string, []Warning, *Fault) {
	if dir == "" {
		return nil, nil, nil
	}
	all, err := disk.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, &Fault{File: dir, Text: "cannot be listed: " + cause(err).Error()}
	}
	var names []string
	var warnings []Warning
	for _, name := range all {
		switch ext := filepath.Ext(name); {
		case strings.HasPrefix(name, "."):
		case ext == ".yaml":
			names = append(names, name)
		case ext == ".yml" || ext == ".json":
			warnings = append(warnings, Warning{File: filepath.Join(dir, name), Text: "not read", Hint: "rename it to end in .yaml"})
		}
	}
	slices.Sort(names)
	if len(names) > maxFiles {
		return nil, warnings, &Fault{File: dir, Text: fmt.Sprintf("%d files, want at most %d", len(names), maxFiles)}
	}
	return names, warnings, nil
}

// digest names the state of all sources: which there are, their modes, what is
// in them.
func digest(sources []source) [32]byte {
	h := sha256.New()
	for _, s := range sources {
		fault := ""
		if s.fault != nil {
			fault = s.fault.Text
		}
		fmt.Fprintf(h, "%q %v %q %d\n", s.file, s.mode, fault, len(s.data))
		h.Write(s.data)
	}
	return [32]byte(h.Sum(nil))
}
