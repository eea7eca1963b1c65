package privacy

// Pseudonyms makes keyed pseudonyms. It holds a secret: it is never printed.
type Pseudonyms struct{ id string }

// KeyID returns the id that stands in every pseudonym.
func (p *Pseudonyms) KeyID() string {
	if p == nil {
		return ""
	}
	return p.id
}
