package main

import (
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// classInfo says what the filter can do with a class.
type classInfo struct {
	key       string // the Key of package privacy
	text      string // the rule for strings; empty: takes none
	bytes     string // the rule for bytes; empty: takes none
	least     int    // how many bytes a value can have; others are not values of it
	most      int
	other     bool // takes numbers, enums, bools and messages: present or absent
	times     bool // its levels are grains of time
	summaries bool // it has the levels summary and each
}

// classes is the table of all that is not PLAIN. It stands beside the key table
// and the rules of package privacy, which this program cannot import: it makes
// a part of that package.
var classes = map[privacyv1.Class]classInfo{
	privacyv1.Class_USERNAME:        {key: "Username", text: "username"},
	privacyv1.Class_UPN:             {key: "UPN", text: "upn"},
	privacyv1.Class_USER_SID:        {key: "UserSID", text: "userSID"},
	privacyv1.Class_DEVICE_NAME:     {key: "DeviceName", text: "deviceName"},
	privacyv1.Class_ASSET_ID:        {key: "AssetID", text: "assetID"},
	privacyv1.Class_DEVICE_SERIAL:   {key: "DeviceSerial", text: "deviceSerial"},
	privacyv1.Class_LOCAL_ADDRESSES: {key: "LocalAddresses", text: "localAddress"},
	privacyv1.Class_PROGRAM_NAME:    {key: "ProgramName", text: "programName"},
	privacyv1.Class_PROGRAM_PATH:    {key: "ProgramPath", text: "programPath"},
	privacyv1.Class_PROGRAM_SHA256:  {key: "ProgramSHA256", bytes: "programSHA256", least: 32, most: 32},
	privacyv1.Class_PROGRAM_SIGNER:  {key: "ProgramSigner", text: "programSigner"},
	privacyv1.Class_SOFTWARE:        {key: "Software", text: "software", other: true},
	privacyv1.Class_PROCESSES:       {key: "Processes", other: true, summaries: true},
	privacyv1.Class_CONNECTIONS:     {key: "Connections", other: true, summaries: true},
	privacyv1.Class_DESTINATIONS:    {key: "Destinations", text: "destination"},
	privacyv1.Class_DOMAINS:         {key: "Domains", text: "domain", other: true},
	privacyv1.Class_WIFI_QUALITY:    {key: "WifiQuality", other: true},
	privacyv1.Class_WIFI_SSID:       {key: "WifiSSID", bytes: "wifiSSID", least: 1, most: 32},
	privacyv1.Class_WIFI_BSSID:      {key: "WifiBSSID", text: "wifiBSSID"},
	privacyv1.Class_FOCUS_TIME:      {key: "FocusTime", other: true, times: true},
	privacyv1.Class_USER_ACTIVITY:   {key: "UserActivity", other: true, times: true},
	privacyv1.Class_LOGONS:          {key: "Logons", other: true, times: true},
}

// takes reports whether the class has a rule for fields of kind k.
func (c classInfo) takes(k protoreflect.Kind) bool {
	switch k {
	case protoreflect.StringKind:
		return c.text != ""
	case protoreflect.BytesKind:
		return c.bytes != ""
	}
	return c.other
}

// number reports whether the filter can write numbers of kind k.
func number(k protoreflect.Kind) bool {
	switch k {
	case protoreflect.BoolKind, protoreflect.Int32Kind, protoreflect.Int64Kind,
		protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return true
	}
	return false
}
