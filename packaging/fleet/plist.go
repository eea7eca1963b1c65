package fleet

import (
	"fmt"
	"strconv"
	"time"
)

// pair is a key of a property list with its value; dict keeps their order.
type pair struct {
	key   string
	value any // string, bool, int, int64, time.Time, []any, dict, remark
}

type dict []pair

// remark stands in a dict as a comment; the key is empty.
type remark string

const plistType = `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">`

// plist writes a property list as XML, with comments at its head.
func plist(top dict, head ...string) []byte {
	w := &writer{}
	w.line(`<?xml version="1.0" encoding="UTF-8"?>`)
	w.line(plistType)
	for _, h := range head {
		w.comment(h)
	}
	w.line(`<plist version="1.0">`)
	w.plist(top)
	w.line("</plist>")
	return w.b.Bytes()
}

func (w *writer) plist(v any) {
	switch v := v.(type) {
	case dict:
		w.dict(v)
	case []any:
		if len(v) == 0 {
			w.empty("array")
			return
		}
		w.open("array")
		for _, e := range v {
			w.plist(e)
		}
		w.shut("array")
	case string:
		w.leaf("string", v)
	case bool:
		w.empty(strconv.FormatBool(v))
	case int, int64:
		w.leaf("integer", fmt.Sprint(v))
	case time.Time:
		w.leaf("date", v.UTC().Format(time.RFC3339))
	default:
		panic(fmt.Sprintf("fleet: %T has no form in a property list", v))
	}
}

func (w *writer) dict(d dict) {
	if len(d) == 0 {
		w.empty("dict")
		return
	}
	w.open("dict")
	for _, p := range d {
		if r, ok := p.value.(remark); ok {
			w.comment(string(r))
			continue
		}
		w.leaf("key", p.key)
		w.plist(p.value)
	}
	w.shut("dict")
}
