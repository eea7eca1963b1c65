package main

import (
	"fmt"
	"slices"
	"time"
)

// product is a package: what it is called, what it installs, what runs before and
// after.
type product struct {
	id, version, title string
	system             string // the oldest that takes it
	payload, scripts   []entry
}

// part is the name of the one component in the package.
const part = "agent.pkg"

// write writes the package: a description for the installer, and one component
// with its files, their bill, its scripts and its receipt.
func (p *product) write(at time.Time, s *signer) ([]byte, error) {
	for _, want := range []string{"./preinstall", "./postinstall"} {
		if !slices.ContainsFunc(p.scripts, func(e entry) bool { return e.path == want && e.mode == typeFile|0o755 }) {
			return nil, fmt.Errorf("no script %s with mode 0755", want)
		}
	}
	payload, err := archive(p.payload, at)
	if err != nil {
		return nil, err
	}
	scripts, err := archive(p.scripts, at)
	if err != nil {
		return nil, err
	}
	return xar([]*xarFile{
		{name: "Distribution", data: []byte(p.distribution()), pack: true},
		{name: part, inside: []*xarFile{
			{name: "Bom", data: bill(p.payload, at), pack: true},
			{name: "Payload", data: payload},
			{name: "Scripts", data: scripts},
			{name: "PackageInfo", data: []byte(p.info()), pack: true},
		}},
	}, at, s)
}

// info is what becomes the receipt. Nothing is looked for in other places
// (relocate), and rights of folders are set anew.
func (p *product) info() string {
	return fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?>
<pkg-info format-version="2" identifier="%s" version="%s" install-location="/" auth="root" relocatable="false" overwrite-permissions="true" postinstall-action="none">
    <payload numberOfFiles="%d" installKBytes="%d"/>
    <bundle-version/>
    <upgrade-bundle/>
    <update-bundle/>
    <atomic-update-bundle/>
    <strict-identifier/>
    <relocate/>
    <scripts>
        <preinstall file="./preinstall"/>
        <postinstall file="./postinstall"/>
    </scripts>
</pkg-info>
`, escaped(p.id), escaped(p.version), len(p.payload), kilobytes(p.payload))
}

// distribution is what the installer shows and checks: both processors, the system
// volume only, a system that is new enough.
func (p *product) distribution() string {
	id, version := escaped(p.id), escaped(p.version)
	return fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?>
<installer-gui-script minSpecVersion="2">
    <title>%[3]s</title>
    <options customize="never" require-scripts="false" rootVolumeOnly="true" hostArchitectures="x86_64,arm64"/>
    <domains enable_localSystem="true" enable_anywhere="false" enable_currentUserHome="false"/>
    <volume-check>
        <allowed-os-versions>
            <os-version min="%[4]s"/>
        </allowed-os-versions>
    </volume-check>
    <choices-outline>
        <line choice="default">
            <line choice="%[1]s"/>
        </line>
    </choices-outline>
    <choice id="default"/>
    <choice id="%[1]s" visible="false">
        <pkg-ref id="%[1]s"/>
    </choice>
    <pkg-ref id="%[1]s" version="%[2]s" installKBytes="%[5]d" onConclusion="none">#%[6]s</pkg-ref>
    <product id="%[1]s" version="%[2]s"/>
</installer-gui-script>
`, id, version, escaped(p.title), escaped(p.system), kilobytes(p.payload), part)
}
