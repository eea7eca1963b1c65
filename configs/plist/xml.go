package plist

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// xmlReader is the state of one reading. Elements that are open are on the stack;
// nothing recurses.
type xmlReader struct {
	budget budget
	stack  []openElement
	root   *Node
	begun  bool // the element plist was opened
}

type openElement struct {
	name string
	kids []*Node // of plist, dict and array; of dict: keys and values in turn
	text strings.Builder
}

// parseXML reads the XML form. Only what Apple's DTD names may stand in it;
// entities of its own it may not define.
func parseXML(data []byte) (*Node, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	var p xmlReader
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

func (p *xmlReader) token(token xml.Token) error {
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

func (p *xmlReader) open(name xml.Name) error {
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
	if len(p.stack) > maxDepth {
		return errDeep
	}
	p.stack = append(p.stack, openElement{name: name.Local})
	return nil
}

func (p *xmlReader) top() *openElement { return &p.stack[len(p.stack)-1] }

func isContainer(name string) bool { return name == "plist" || name == "dict" || name == "array" }

func (p *xmlReader) chars(t xml.CharData) error {
	if len(p.stack) == 0 || isContainer(p.top().name) {
		if len(bytes.TrimSpace(t)) > 0 {
			return errors.New("text between the elements")
		}
		return nil
	}
	p.top().text.Write(t)
	return nil
}

func (p *xmlReader) close(name xml.Name) error {
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
	if err := p.budget.take(len(n.Text)); err != nil {
		return err
	}
	p.top().kids = append(p.top().kids, n)
	return nil
}

// node makes the node of an element that is closed.
func (e *openElement) node() (*Node, error) {
	text := e.text.String()
	switch e.name {
	case "dict":
		if len(e.kids)%2 != 0 {
			return nil, errors.New("a key of a dict has no value")
		}
		return &Node{Kind: Dict, Items: e.kids}, nil
	case "array":
		return &Node{Kind: Array, Items: e.kids}, nil
	case "key", "string":
		return scalar(String, text), nil
	case "integer":
		n, err := strconv.ParseInt(strings.TrimSpace(text), 0, 64)
		if err != nil {
			return nil, errors.New("an integer that is none")
		}
		return scalar(Integer, strconv.FormatInt(n, 10)), nil
	case "real":
		return scalar(Real, strings.TrimSpace(text)), nil
	case "true", "false":
		if text != "" {
			return nil, errors.New("text in the element " + e.name)
		}
		return truth(e.name == "true"), nil
	case "data":
		return scalar(Data, ""), nil
	case "date":
		if at, err := time.Parse(time.RFC3339, strings.TrimSpace(text)); err == nil {
			return scalar(Date, at.UTC().Format(time.RFC3339)), nil
		}
		return scalar(Date, ""), nil
	}
	return nil, errors.New("an element that a property list does not know")
}
