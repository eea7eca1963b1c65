package packaging_test

import (
	"bytes"
	"debug/macho"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const macHome = "Library/Application Support/Discreet"

// macRoot unpacks a component's archive with 7z and GNU cpio.
func macRoot(t *testing.T, pkg, archive string) string {
	t.Helper()
	dir, out := t.TempDir(), t.TempDir()
	run(t, nil, tool(t, "7z"), "x", "-y", "-o"+dir, pkg)
	cmd := exec.Command("sh", "-c", `gzip -dc "$1" | cpio -idm --quiet --no-absolute-filenames`, "sh", filepath.Join(dir, "agent.pkg", archive))
	cmd.Dir = out
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v\n%s", err, said)
	}
	return out
}

// TestMacPackage builds the package for macOS, twice, and looks at what is in it
// with readers that are not ours. No Mac has seen it.
func TestMacPackage(t *testing.T) {
	tool(t, "cpio")
	dirs := [2]string{t.TempDir(), t.TempDir()}
	var sums [2]string
	for i, dir := range dirs {
		run(t, []string{"VERSION=1.2.3", "ONLY_AGENT=1", "SOURCE_DATE_EPOCH=1790000000"}, "./build", "--out", dir, "pkg")
		b, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = string(b)
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") != 3 {
		t.Errorf("two builds differ, or are not three files each:\n%s%s", sums[0], sums[1])
	}
	pkg := filepath.Join(dirs[0], "discreet-agent-1.2.3.pkg")
	root := macRoot(t, pkg, "Payload")
	for path, mode := range map[string]fs.FileMode{
		macHome + "/bin/discreet-agent":                                        0o755,
		macHome + "/uninstall":                                                 0o755,
		macHome + "/agent.yaml.sample":                                         0o644,
		macHome + "/conf.d":                                                    0o755 | fs.ModeDir,
		"Library/LaunchDaemons/org.discreet.agent.plist":                       0o644,
		"Library/LaunchAgents/org.discreet.agent.session.plist":                0o644,
		"Applications/What Leaves This Device.app/Contents/MacOS/show-privacy": 0o755,
		"Applications/What Leaves This Device.app/Contents/Info.plist":         0o644,
		"private/etc/paths.d/org.discreet.agent":                               0o644,
	} {
		info, err := os.Lstat(filepath.Join(root, path))
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v; want it with mode %v", path, info, err, mode)
		}
	}
	program := filepath.Join(root, macHome, "bin/discreet-agent")
	fat, err := macho.OpenFat(program)
	if err != nil {
		t.Fatal(err)
	}
	defer fat.Close()
	for i, cpu := range []macho.Cpu{macho.CpuAmd64, macho.CpuArm64} {
		if got := fat.Arches[i]; got.Cpu != cpu || got.Size > 16<<20 {
			t.Errorf("slice %d: %v of %d bytes; want %v, at most 16 MiB", i, got.Cpu, got.Size, cpu)
		}
		libs, err := fat.Arches[i].ImportedLibraries()
		for _, l := range libs {
			if !strings.HasPrefix(l, "/usr/lib/") && !strings.HasPrefix(l, "/System/Library/") {
				t.Errorf("%v links %s (%v); want the system's libraries only", cpu, l, err)
			}
		}
	}
	for _, plist := range []string{"Library/LaunchDaemons/org.discreet.agent.plist", "Library/LaunchAgents/org.discreet.agent.session.plist", "Applications/What Leaves This Device.app/Contents/Info.plist"} {
		out := run(t, nil, tool(t, "python3"), "-c", "import plistlib, sys; print(plistlib.load(open(sys.argv[1], 'rb')))", filepath.Join(root, plist))
		if strings.Contains(out, "@") || strings.Contains(out, "ProgramArguments") && !strings.Contains(out, "'/"+macHome+"/bin/discreet-agent'") {
			t.Errorf("%s = %s; want the program's own place, and nothing left to fill in", plist, out)
		}
	}
	partsOf(t, filepath.Join(dirs[0], "discreet-agent-1.2.3-darwin-arm64.cdx.json"))
	macLife(t, root, macRoot(t, pkg, "Scripts"))
}

// world is a root in which scripts of macOS run as they are: busybox in the place
// of the system's programs, and stand-ins that write down how they were called.
type world struct {
	t   *testing.T
	dir string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("the scripts of macOS are run in a root of their own, which needs root")
		}
		t.Skip("a root of their own for the scripts needs root")
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatalf("%v; hint: make deps", err)
	}
	w := &world{t, t.TempDir()}
	w.put("bin/busybox", string(busybox), 0o755)
	for _, name := range []string{"sh", "cat", "rm", "cp", "mv", "mkdir", "chmod", "sleep"} {
		w.link("bin/" + name)
	}
	for _, name := range []string{"awk", "sort", "dirname", "id", "mktemp"} {
		w.link("usr/bin/" + name)
	}
	w.put("bin/launchctl", `#!/bin/sh
echo "launchctl $*" >>/said
case "$1 $2" in
"bootstrap system")
	echo x >>/tries
	[ "$(wc -l </tries)" -ge "$(cat /wanted)" ] || exit 5
	;;
esac
`, 0o755)
	w.link("bin/wc")
	w.put("bin/ps", "#!/bin/sh\necho '  501 /System/Library/CoreServices/Finder.app/Contents/MacOS/Finder'\necho '    0 /sbin/launchd'\n", 0o755)
	w.put("usr/sbin/pkgutil", "#!/bin/sh\necho \"pkgutil $*\" >>/said\n", 0o755)
	w.put("dev/null", "", 0o666)
	w.put("wanted", "1", 0o644)
	return w
}

func (w *world) put(name, text string, mode fs.FileMode) {
	w.t.Helper()
	file := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) link(name string) {
	w.t.Helper()
	file := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Symlink("/bin/busybox", file); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(name string) string {
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		return ""
	}
	return string(b)
}

// said returns how the stand-ins were called since it was asked last.
func (w *world) said() string {
	text := w.read("said")
	_ = os.Remove(filepath.Join(w.dir, "said"))
	return text
}

// do runs a script in the world, and returns what it says and its exit code.
func (w *world) do(script string, args ...string) (string, int) {
	w.t.Helper()
	cmd := exec.Command("/bin/sh", append([]string{script}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: w.dir}
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/bin:/bin:/usr/sbin"}
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		w.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// lay copies the payload over the world, as the installer does. The program is a
// stand-in: the real one needs a Mac.
func (w *world) lay(payload, version string) {
	w.t.Helper()
	run(w.t, nil, "cp", "-a", payload+"/.", w.dir)
	w.put(macHome+"/version", version+"\n", 0o644)
	w.put(macHome+"/bin/discreet-agent", "#!/bin/sh\nif grep -q nonsense '/"+macHome+"/conf.d/00-install.yaml'; then echo 'nonsense: unknown key'; exit 3; fi\n", 0o755)
}

// install is a whole installation of a version.
func (w *world) install(payload, scripts, version string) (string, int) {
	w.t.Helper()
	pre, err := os.ReadFile(filepath.Join(scripts, "preinstall"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.put("scripts/preinstall", strings.Replace(string(pre), "1.2.3", version, 1), 0o755)
	if out, code := w.do("/scripts/preinstall", "/media/a.pkg", "/", "/", "/"); code != 0 {
		return out, code
	}
	w.lay(payload, version)
	post, err := os.ReadFile(filepath.Join(scripts, "postinstall"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.put("scripts/postinstall", string(post), 0o755)
	return w.do("/scripts/postinstall", "/media/a.pkg", "/", "/", "/")
}

// files lists what lies in the folders that the package writes to.
func (w *world) files() string {
	var b strings.Builder
	for _, dir := range []string{"Library", "Applications", "private"} {
		_ = filepath.WalkDir(filepath.Join(w.dir, dir), func(file string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() || strings.Contains(file, "iscreet") {
				fmt.Fprintln(&b, strings.TrimPrefix(file, w.dir))
			}
			return nil
		})
	}
	return b.String()
}

// macLife runs the package's scripts as they are: a first install with files
// beside it, a launchd that needs three tries, an upgrade, a downgrade, settings
// that are refused, an uninstall that keeps, one that leaves nothing.
func macLife(t *testing.T, payload, scripts string) {
	t.Helper()
	w := newWorld(t)
	w.link("bin/grep")
	w.put("media/discreet-install.yaml", "gateway: {address: \"gw.example:8443\"}\n", 0o644)
	w.put("media/discreet-token", "secret", 0o644)
	w.put("wanted", "3", 0o644)
	out, code := w.install(payload, scripts, "1.2.3")
	if code != 0 || out != "" {
		t.Fatalf("install = %q, %d; want no word and 0", out, code)
	}
	if got := strings.Count(w.said(), "launchctl bootstrap system /Library/LaunchDaemons/org.discreet.agent.plist\n"); got != 3 {
		t.Errorf("the agent was started %d times; want 3, until it was taken", got)
	}
	for name, mode := range map[string]fs.FileMode{"/state": 0o700 | fs.ModeDir, "/state/token": 0o600, "/conf.d/00-install.yaml": 0o644, "/agent.yaml": 0o644} {
		if info, err := os.Stat(filepath.Join(w.dir, macHome+name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v; want it with mode %v", name, info, err, mode)
		}
	}
	if strings.Contains(out+w.said(), "secret") {
		t.Error("the token stands in what the installer says")
	}
	_ = os.RemoveAll(filepath.Join(w.dir, "media"))
	w.put(macHome+"/agent.yaml", "privacy: {preset: strict}\n", 0o644)

	if out, code := w.install(payload, scripts, "1.10.0"); code != 0 {
		t.Errorf("upgrade = %q, %d; want 0", out, code)
	}
	if said := w.said(); !strings.HasPrefix(said, "launchctl bootout system/org.discreet.agent\nlaunchctl bootout gui/501/org.discreet.agent.session\n") || !strings.Contains(said, "launchctl bootstrap gui/501 ") {
		t.Errorf("an upgrade calls\n%swant service and helper stopped, then started", said)
	}
	if w.read(macHome+"/agent.yaml") != "privacy: {preset: strict}\n" || !strings.Contains(w.read(macHome+"/conf.d/00-install.yaml"), "gw.example") {
		t.Error("an upgrade does not keep the settings")
	}
	if out, code := w.install(payload, scripts, "1.9.9"); code != 1 || !strings.Contains(out, "1.9.9 is older") || w.said() != "" {
		t.Errorf("downgrade = %q, %d; want it refused, and nothing stopped", out, code)
	}
	w.put("media/discreet-install.yaml", "nonsense: 1\n", 0o644)
	if out, code := w.install(payload, scripts, "1.10.0"); code != 1 || !strings.Contains(out, "nonsense: unknown key") || strings.Contains(w.said(), "bootstrap") {
		t.Errorf("settings with a fault = %q, %d; want them refused, and nothing started", out, code)
	}
	if !strings.Contains(w.read(macHome+"/conf.d/00-install.yaml"), "gw.example") {
		t.Error("refused settings stay in the place of the last ones")
	}
	uninstallLife(t, w, payload, scripts)
}

func uninstallLife(t *testing.T, w *world, payload, scripts string) {
	t.Helper()
	w.lay(payload, "1.10.0")
	script := "/" + macHome + "/uninstall"
	if out, code := w.do(script, "--nonsense"); code != 2 {
		t.Errorf("uninstall --nonsense = %q, %d; want 2", out, code)
	}
	w.said()
	if out, code := w.do(script, "--keep"); code != 0 {
		t.Errorf("uninstall --keep = %q, %d; want 0", out, code)
	}
	if said := w.said(); !strings.Contains(said, "bootout system/org.discreet.agent\n") || !strings.Contains(said, "pkgutil --forget org.discreet.agent\n") {
		t.Errorf("uninstall calls\n%swant the service stopped and the receipt forgotten", said)
	}
	left := w.files()
	if !strings.Contains(left, macHome+"/agent.yaml\n") || !strings.Contains(left, "/state/token\n") || strings.Contains(left, "/bin") || strings.Contains(left, ".plist") {
		t.Errorf("uninstall --keep leaves\n%swant settings and identity only", left)
	}
	if out, code := w.install(payload, scripts, "1.0.0"); code != 1 || !strings.Contains(out, "nonsense") {
		t.Errorf("an older version after an uninstall = %q, %d; want only the settings refused", out, code)
	}
	_ = os.RemoveAll(filepath.Join(w.dir, "media"))
	if out, code := w.install(payload, scripts, "1.0.0"); code != 0 {
		t.Errorf("an older version after an uninstall = %q, %d; want 0", out, code)
	}
	w.put("Library/Logs/Discreet/agent.log", "x", 0o600)
	if out, code := w.do(script); code != 0 {
		t.Errorf("uninstall = %q, %d; want 0", out, code)
	}
	if left := w.files(); left != "" {
		t.Errorf("uninstall leaves\n%swant nothing", left)
	}
	// On a volume that is not running, by a copy of the script, and no launchd is
	// asked.
	other := &world{t, t.TempDir()}
	other.lay(payload, "1.10.0")
	w.said()
	script = filepath.Join(t.TempDir(), "uninstall")
	if b, err := os.ReadFile(filepath.Join(other.dir, macHome, "uninstall")); err != nil || os.WriteFile(script, b, 0o755) != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", script, "--root", other.dir)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil || other.files() != "" {
		t.Errorf("uninstall --root = %v %s; leaves\n%swant nothing", err, said.String(), other.files())
	}
}

// TestMacScriptsAreShell: each script is read by the shell without a fault, and
// names no program by what PATH would find.
func TestMacScriptsAreShell(t *testing.T) {
	for _, s := range []string{"macos/uninstall", "macos/scripts/preinstall", "macos/scripts/postinstall", "macos/app/show-privacy"} {
		run(t, nil, "sh", "-n", s)
		b, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"launchctl", "rm", "cp", "mv", "chmod", "mkdir", "awk", "ps", "pkgutil", "open", "mktemp", "cat", "sleep"} {
			for line := range strings.Lines(string(b)) {
				if at := strings.TrimSpace(line); strings.HasPrefix(at, name+" ") || strings.Contains(at, "$("+name+" ") || strings.Contains(at, "| "+name+" ") {
					t.Errorf("%s: %s is not called by its path", s, name)
				}
			}
		}
	}
}
