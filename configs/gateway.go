package configs

import (
	"path/filepath"
	"time"
)

// Gateway holds the settings of the gateway.
type Gateway struct {
	Schema          int           `key:"schema"`
	Listen          string        `key:"listen"`
	DataDir         string        `key:"data_dir"`
	CADir           string        `key:"ca_dir"` // after loading never empty
	TrustDomain     string        `key:"trust_domain"`
	CertificateDays int           `key:"certificate_days"`
	Retention       time.Duration `key:"retention"`
	Limits          Limits        `key:"limits"`
	Log             Log           `key:"log"`
}

// Limits is what one agent may ask of the gateway.
type Limits struct {
	MaxBatchEvents   int   `key:"max_batch_events"`
	MaxBatchBytes    int64 `key:"max_batch_bytes"`
	MaxDecodedBytes  int64 `key:"max_decoded_bytes"`
	WindowBatches    int   `key:"window_batches"`
	StreamsPerDevice int   `key:"streams_per_device"`
}

// GatewayDefaults returns the settings of a gateway without a file.
func GatewayDefaults() Gateway {
	var g Gateway
	keys := gatewayKeys(SystemPlaces())
	decode([]*layer{defaultsLayer(keys)}, nil, &g)
	return g.filled()
}

func (g Gateway) filled() Gateway {
	if g.CADir == "" {
		g.CADir = filepath.Join(g.DataDir, "ca")
	}
	return g
}

// LoadGateway reads the gateway's one file as strictly as the agent's. With
// faults the settings are the defaults, and the gateway must not start.
func LoadGateway(file string) (Gateway, []Fault) {
	keys := gatewayKeys(SystemPlaces())
	src := readSource(layerFile, file, diskFiles{})
	if src.fault != nil {
		return GatewayDefaults(), []Fault{*src.fault}
	}
	l := check(layerFile, file, src.data, keys)
	if len(l.faults) > 0 {
		return GatewayDefaults(), l.faults
	}
	var g Gateway
	decode([]*layer{defaultsLayer(keys), l}, nil, &g)
	return g.filled(), nil
}
