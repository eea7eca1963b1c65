package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/discreet-agent/discreet/agent/durable"
	"github.com/discreet-agent/discreet/privacy"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// maxSealed bounds the sealed names that are kept. No device has so many people;
// past it new ones are not kept, and nobody finds them by name.
const maxSealed = 4096

// sealedNames are the identities of mode sealed, kept in one file. The list only
// grows. The device itself can open none of them.
type sealedNames struct {
	file string

	mu   sync.Mutex // guards what follows
	list []*uplinkv1.Identity
	have map[string]bool
}

// openSealedNames reads the file, if there is one.
func openSealedNames(stateDir string) (*sealedNames, error) {
	s := &sealedNames{file: filepath.Join(stateDir, "identities"), have: map[string]bool{}}
	text, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read sealed names: %w", err)
	}
	var kept []privacy.Identity
	if err := json.Unmarshal(text, &kept); err != nil {
		return s, fmt.Errorf("sealed names in %s cannot be read; hint: remove the file, they are made anew", s.file)
	}
	s.take(kept)
	return s, nil
}

// take adds what is new and reports whether anything was.
func (s *sealedNames) take(ids []privacy.Identity) bool {
	added := false
	for _, id := range ids {
		key := id.OfficerKeyID + " " + id.Pseudonym
		if s.have[key] || len(s.list) >= maxSealed {
			continue
		}
		s.have[key], added = true, true
		s.list = append(s.list, &uplinkv1.Identity{Pseudonym: id.Pseudonym, Sealed: id.Sealed, OfficerKeyId: id.OfficerKeyID})
	}
	return added
}

// add keeps the identities that are new, in memory and in the file.
func (s *sealedNames) add(ids []privacy.Identity) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.take(ids) {
		return nil
	}
	all := make([]privacy.Identity, len(s.list))
	for i, m := range s.list {
		all[i] = privacy.Identity{Pseudonym: m.GetPseudonym(), Sealed: m.GetSealed(), OfficerKeyID: m.GetOfficerKeyId()}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("keep sealed names: %w", err)
	}
	if err := durable.WriteFile(s.file, text, 0o600); err != nil {
		return fmt.Errorf("keep sealed names: %w", err)
	}
	return nil
}

// all returns the list. It only grows: what was returned stays as it is.
func (s *sealedNames) all() []*uplinkv1.Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list[:len(s.list):len(s.list)]
}

// identities is what the uplink sends before batches: nothing outside of mode
// sealed.
func (a *Agent) identities() []*uplinkv1.Identity {
	a.mu.Lock()
	source := a.loaded.Settings.Privacy.Pseudonym.Source()
	a.mu.Unlock()
	if source != "sealed" {
		return nil
	}
	return a.sealed.all()
}

// keepIdentities is told by the pipeline of people whom it sees first.
func (a *Agent) keepIdentities(ids []privacy.Identity) {
	if err := a.sealed.add(ids); err != nil {
		a.log.Error("sealed names are kept in memory only", "err", err)
	}
}
