// Command gen writes the documents that follow from the schema, the table of
// classes and the table of settings: docs/DATA.md, docs/configuration.md,
// docs/words.md, docs/platforms.md and the JSON Schemas of both settings files. It fails where a key
// or a level has no words in a language. Run it from the top of the tree.
//
//	go run ./docs/gen            # writes the documents
//	go run ./docs/gen -release   # renews proto/event/v1/released.binpb too
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/discreet-agent/discreet/configs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// released is the descriptor set that classes are compared with.
const released = "proto/event/v1/released.binpb"

func main() {
	if err := run(len(os.Args) > 1 && os.Args[1] == "-release"); err != nil {
		fmt.Fprintln(os.Stderr, "docs/gen:", err)
		os.Exit(1)
	}
}

func run(release bool) error {
	said, err := comments("proto")
	if err != nil {
		return err
	}
	words, err := wordsPage()
	if err != nil {
		return err
	}
	platforms, err := platformsPage()
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"docs/platforms.md":           platforms,
		"docs/words.md":               words,
		"docs/DATA.md":                dataPage(eventv1.File_event_v1_event_proto, said),
		"docs/configuration.md":       settingsPage(),
		"configs/agent.schema.json":   configs.Schema(),
		"configs/gateway.schema.json": configs.GatewaySchema(),
	}
	if release {
		if files[released], err = descriptors(); err != nil {
			return err
		}
	}
	for name, data := range files {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// comments returns what the schema says above and beside each message and
// field, by full name. The compiled program does not hold comments, so the
// schema is read again.
func comments(root string) (map[string]string, error) {
	c := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := c.Compile(context.Background(), "event/v1/event.proto")
	if err != nil {
		return nil, fmt.Errorf("compile the schema: %w", err)
	}
	said := map[string]string{}
	for _, f := range files {
		for i := range f.Messages().Len() {
			m := f.Messages().Get(i)
			said[string(m.FullName())] = oneLine(f.SourceLocations().ByDescriptor(m).LeadingComments)
			for j := range m.Fields().Len() {
				fd := m.Fields().Get(j)
				at := f.SourceLocations().ByDescriptor(fd)
				said[string(fd.FullName())] = oneLine(at.LeadingComments + " " + at.TrailingComments)
			}
		}
	}
	return said, nil
}

// descriptors returns the descriptor set of the schema as it is now.
func descriptors() ([]byte, error) {
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(privacyv1.File_privacy_v1_class_proto),
		protodesc.ToFileDescriptorProto(eventv1.File_event_v1_event_proto),
	}}
	return proto.MarshalOptions{Deterministic: true}.Marshal(set)
}
