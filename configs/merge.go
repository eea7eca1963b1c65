package configs

import (
	"fmt"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// defaultsLayer returns the layer of built-in values. It goes through the same
// checks as a file; a fault there is a mistake in the table.
func defaultsLayer(keys []key) *layer {
	l := check(layerDefaults, "built in", sample(keys, ""), keys)
	if len(l.faults) > 0 {
		panic("configs: table of keys: " + l.faults[0].String())
	}
	return l
}

// delimiter joins the words of a key inside viper. It cannot stand in a key, so
// that viper never takes one apart. https://github.com/spf13/viper/issues/324
const delimiter = "\x00"

// decode merges the layers, lowest first, and last the values that the floor
// decided, into out. Each layer is a viper of its own that knows neither files
// nor environment. What it is given was checked before: that it does not fit is
// a mistake of ours.
func decode(layers []*layer, floored map[string]entry, out any) {
	all := viper.NewWithOptions(viper.KeyDelimiter(delimiter))
	for _, l := range layers {
		one := viper.NewWithOptions(viper.KeyDelimiter(delimiter))
		must(one.MergeConfigMap(tree(l.bags[mainBag].entries)))
		must(all.MergeConfigMap(one.AllSettings()))
	}
	must(all.MergeConfigMap(tree(floored)))
	must(all.UnmarshalExact(out, func(d *mapstructure.DecoderConfig) {
		d.TagName = "key"
		d.WeaklyTypedInput = false
		d.DecodeHook = mapstructure.TextUnmarshallerHookFunc()
	}))
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("configs: the table of keys and the settings' types differ: %v", err))
	}
}

// tree makes nested maps of dotted paths.
func tree(entries map[string]entry) map[string]any {
	root := map[string]any{}
	for path, e := range entries {
		words := strings.Split(path, ".")
		m := root
		for _, w := range words[:len(words)-1] {
			next, ok := m[w].(map[string]any)
			if !ok {
				next = map[string]any{}
				m[w] = next
			}
			m = next
		}
		v := e.value
		if s, ok := v.(string); ok && e.key.kind == kindHours {
			v = quietHours(s)
		}
		m[words[len(words)-1]] = v
	}
	return root
}

// quietHours makes a list of windows that are joined by commas.
func quietHours(s string) []any {
	list := []any{}
	for w := range strings.SplitSeq(s, ",") {
		if w != "" {
			list = append(list, w)
		}
	}
	return list
}
