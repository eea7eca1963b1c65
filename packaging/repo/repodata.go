package main

import (
	"encoding/xml"
	"path/filepath"
	"time"
)

// data is a file of repodata as repomd.xml names it.
type data struct {
	Type     string   `xml:"type,attr"`
	Checksum checksum `xml:"checksum"`
	Open     checksum `xml:"open-checksum"`
	Location struct {
		Href string `xml:"href,attr"`
	} `xml:"location"`
	Time     int64 `xml:"timestamp"`
	Size     int   `xml:"size"`
	OpenSize int   `xml:"open-size"`
}

// writeRepodata writes primary, filelists and other, each under a name that holds its
// sum, so that no cache mixes two states; and repomd.xml, which names them.
func writeRepodata(dir string, at time.Time, lists []any) error {
	repomd := struct {
		XMLName  xml.Name `xml:"repomd"`
		NS       string   `xml:"xmlns,attr"`
		Revision int64    `xml:"revision"`
		Data     []data   `xml:"data"`
	}{NS: nsRepo, Revision: at.Unix()}
	for i, list := range lists {
		plain, err := document(list)
		if err != nil {
			return err
		}
		small, err := zip(plain)
		if err != nil {
			return err
		}
		d := data{Type: []string{"primary", "filelists", "other"}[i], Checksum: checksum{Type: "sha256", Value: sum(small)},
			Open: checksum{Type: "sha256", Value: sum(plain)}, Time: at.Unix(), Size: len(small), OpenSize: len(plain)}
		name := d.Checksum.Value + "-" + d.Type + ".xml.gz"
		d.Location.Href = "repodata/" + name
		if err := put(filepath.Join(dir, name), small); err != nil {
			return err
		}
		repomd.Data = append(repomd.Data, d)
	}
	text, err := document(repomd)
	if err != nil {
		return err
	}
	return put(filepath.Join(dir, "repomd.xml"), text)
}

func document(v any) ([]byte, error) {
	b, err := xml.MarshalIndent(v, "", " ")
	return append([]byte(xml.Header), append(b, '\n')...), err
}
