// Command gen is a protoc plugin.
package main

import "google.golang.org/protobuf/compiler/protogen"

func main() {
	protogen.Options{}.Run(func(*protogen.Plugin) error { return nil })
}
