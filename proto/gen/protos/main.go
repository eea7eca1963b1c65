// Command protos compiles the schema and runs the generators over it: what
// protoc does, without protoc. Run it from the top of the tree.
//
//	go run ./proto/gen/protos
package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// plugin is a protoc plugin and the folder that it writes to.
type plugin struct {
	command []string
	param   string
	out     string
}

var plugins = []plugin{
	{[]string{"go", "tool", "-modfile=.ci/tools.mod", "protoc-gen-go"}, "paths=source_relative", "proto"},
	{[]string{"go", "tool", "-modfile=.ci/tools.mod", "protoc-gen-go-grpc"}, "paths=source_relative", "proto"},
	{[]string{"go", "run", "./proto/gen"}, "", "."},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "protos: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	names, err := sources("proto")
	if err != nil {
		return err
	}
	req, err := compile(names)
	if err != nil {
		return err
	}
	for _, p := range plugins {
		if err := p.run(req); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(p.command, " "), err)
		}
	}
	return nil
}

// sources returns the schema's files, relative to root and sorted.
func sources(root string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".proto" || strings.Contains(file, "testdata") {
			return err
		}
		name, err := filepath.Rel(root, file)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	sort.Strings(names)
	return names, err
}

// compile parses the named files and everything that they import.
func compile(names []string) (*pluginpb.CodeGeneratorRequest, error) {
	c := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"proto"}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := c.Compile(context.Background(), names...)
	if err != nil {
		return nil, fmt.Errorf("compile the schema: %w", err)
	}
	req := &pluginpb.CodeGeneratorRequest{FileToGenerate: names}
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		req.ProtoFile = append(req.ProtoFile, plain(protoutil.ProtoFromFileDescriptor(fd)))
	}
	for _, f := range files {
		add(f)
	}
	return req, nil
}

// plain passes a descriptor through its bytes, so that options that the
// compiler resolved dynamically arrive as a plugin would read them.
func plain(fd *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(fd)
	if err != nil {
		panic(err) // the compiler made fd, so this is a mistake of ours
	}
	out := &descriptorpb.FileDescriptorProto{}
	if err := proto.Unmarshal(b, out); err != nil {
		panic(err)
	}
	return out
}

func (p plugin) run(req *pluginpb.CodeGeneratorRequest) error {
	req.Parameter = proto.String(p.param)
	in, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return err
	}
	cmd := exec.Command(p.command[0], p.command[1:]...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	res := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(out, res); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if res.Error != nil {
		return fmt.Errorf("%s", res.GetError())
	}
	for _, f := range res.File {
		name := filepath.Join(p.out, filepath.FromSlash(f.GetName()))
		if err := os.WriteFile(name, []byte(f.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
