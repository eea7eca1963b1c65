package configs

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// xmlPlist is the state of one reading. Elements that are open are on the stack;
// nothing recurses.
type xmlPlist struct {
	budget plistBudget
	stack  []openElement
	root   *yaml.Node
	begun  bool // the element plist was opened
}

type openElement struct {
	name string
	kids []*yaml.Node // of plist, dict and array; of dict: keys and values in turn
	text strings.Builder
}

// parseXMLPlist reads the XML form. Only what Apple's DTD names may stand in it;
// entities of its own it may not define.
func parseXMLPlist(data []byte) (*yaml.Node, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	var p xmlPlist
	for {
		token, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		line, _ := dec.InputPos()
		if err != nil {
			return nil, errors.New("not well-formed XML in line " + strconv.Itoa(line))
		}
		if err := p.token(token); err != nil {
			return nil, errors.New("line " + strconv.Itoa(line) + ": " + err.Error())
		}
	}
	if p.root == nil || len(p.stack) > 0 {
		return nil, errors.New("cut off or empty")
	}
	return p.root, nil
}

func (p *xmlPlist) token(token xml.Token) error {
	switch t := token.(type) {
	case xml.Directive:
		if p.begun || bytes.ContainsRune(t, '[') || !bytes.HasPrefix(t, []byte("DOCTYPE plist")) {
			return errors.New("a declaration that is not Apple's")
		}
	case xml.StartElement:
		return p.open(t.Name)
	case xml.EndElement:
		return p.close(t.Name)
	case xml.CharData:
		return p.chars(t)
	}
	return nil
}

func (p *xmlPlist) open(name xml.Name) error {
	if name.Space != "" {
		return errors.New("an element with a prefix")
	}
	if len(p.stack) == 0 {
		if name.Local != "plist" || p.begun {
			return errors.New("want one element plist")
		}
		p.begun = true
	} else if top := p.top(); !isContainer(top.name) {
		return errors.New("an element inside a value")
	} else if top.name == "dict" && (name.Local == "key") != (len(top.kids)%2 == 0) {
		return errors.New("keys and values of a dict do not alternate")
	} else if top.name != "dict" && name.Local == "key" || name.Local == "plist" {
		return errors.New("an element out of place")
	}
	if len(p.stack) > maxPlistDepth {
		return errPlistDeep
	}
	p.stack = append(p.stack, openElement{name: name.Local})
	return nil
}

func (p *xmlPlist) top() *openElement { return &p.stack[len(p.stack)-1] }

func isContainer(name string) bool { return name == "plist" || name == "dict" || name == "array" }

func (p *xmlPlist) chars(t xml.CharData) error {
	if len(p.stack) == 0 || isContainer(p.top().name) {
		if len(bytes.TrimSpace(t)) > 0 {
			return errors.New("text between the elements")
		}
		return nil
	}
	p.top().text.Write(t)
	return nil
}

func (p *xmlPlist) close(name xml.Name) error {
	if len(p.stack) == 0 || p.top().name != name.Local || name.Space != "" {
		return errors.New("an element is closed that is not open")
	}
	e := p.top()
	p.stack = p.stack[:len(p.stack)-1]
	if e.name == "plist" {
		if len(e.kids) != 1 {
			return errors.New("want one value in the element plist")
		}
		p.root = e.kids[0]
		return nil
	}
	n, err := e.node()
	if err != nil {
		return err
	}
	if err := p.budget.take(len(n.Value)); err != nil {
		return err
	}
	p.top().kids = append(p.top().kids, n)
	return nil
}

// node makes the node of an element that is closed.
func (e *openElement) node() (*yaml.Node, error) {
	text := e.text.String()
	switch e.name {
	case "dict":
		if len(e.kids)%2 != 0 {
			return nil, errors.New("a key of a dict has no value")
		}
		return plistMap(e.kids), nil
	case "array":
		return plistList(e.kids), nil
	case "key", "string":
		return plistScalar("!!str", text), nil
	case "integer":
		n, err := strconv.ParseInt(strings.TrimSpace(text), 0, 64)
		if err != nil {
			return nil, errors.New("an integer that is none")
		}
		return plistScalar("!!int", strconv.FormatInt(n, 10)), nil
	case "real":
		return plistScalar("!!float", strings.TrimSpace(text)), nil
	case "true", "false":
		if text != "" {
			return nil, errors.New("text in the element " + e.name)
		}
		return plistBool(e.name == "true"), nil
	case "data":
		return plistData(), nil
	case "date":
		return plistDate(), nil
	}
	return nil, errors.New("an element that a property list does not know")
}
