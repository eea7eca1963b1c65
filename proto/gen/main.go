// Command gen is the protoc plugin that turns the privacy marks of event.v1
// into code: the filter, the folding of summaries, the gateway's second look,
// and the methods that keep events out of logs. It refuses a schema in which a
// mark is missing or cannot be obeyed, so such a schema does not build.
//
//	protoc -Iproto --plugin=protoc-gen-discreet=GEN --discreet_out=. event/v1/event.proto
//
// Other packages in the request are read and skipped. Generating messages and
// services is left to the usual plugins; the command protos runs them all.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

// target is the one package that code is generated for.
const target = "event.v1"

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "gen: %v\n", err)
		os.Exit(1)
	}
}

// run reads one request of the plugin protocol and writes the answer. A refused
// schema is an error here, not an answer with an error in it: protoc and protos
// stop on both, and the exit code serves scripts as well.
func run(in io.Reader, out io.Writer) error {
	b, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	req := &pluginpb.CodeGeneratorRequest{}
	if err := proto.Unmarshal(b, req); err != nil {
		return fmt.Errorf("decode the request: %w", err)
	}
	res, err := generate(req)
	if err != nil {
		return err
	}
	if b, err = proto.Marshal(res); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	_, err = out.Write(b)
	return err
}

// generate answers req, or returns every problem of the schema at once.
func generate(req *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	plugin, err := protogen.Options{}.New(req)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	plugin.SupportedFeatures = uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL)
	s, problems := read(plugin)
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if s == nil {
		return plugin.Response(), nil
	}
	for name, emit := range map[string]func(*schema, *source){
		"privacy/filter_gen.go":        emitFilter,
		"privacy/check_gen.go":         emitCheck,
		"proto/event/v1/redact_gen.go": emitRedact,
	} {
		src := &source{}
		emit(s, src)
		text, err := src.format()
		if err != nil {
			return nil, fmt.Errorf("format %s: %w", name, err)
		}
		if _, err := plugin.NewGeneratedFile(name, "").Write(text); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
	}
	return sorted(plugin.Response())
}
