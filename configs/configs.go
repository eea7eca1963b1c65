// Package configs knows every setting of both programs: it holds the sample
// files, reads the files of a device strictly and in layers, says where each
// value comes from, and notices when a file changes.
//
// One table of keys (keys.go) is the source of the samples, the JSON Schema, the
// defaults and the checks. Privacy keys, levels and presets are not in it: they
// come from package privacy. What the settings do is the work of the packages
// that are given them.
package configs

import "embed"

// Files holds the sample files as they are shipped: agent.yaml, gateway.yaml and
// presets/{strict,balanced,classic}.yaml. They name the places of Linux; AgentYAML
// and GatewayYAML write them for another system.
//
//go:embed agent.yaml gateway.yaml presets/*.yaml
var Files embed.FS

//go:generate go run ./gen
