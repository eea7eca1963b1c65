package view

// keyTexts say what each kind of data is.
var keyTexts = map[string]message{
	"key.username":         {"your account name", "Ihr Kontoname"},
	"key.upn":              {"your sign-in name, mostly your mail address", "Ihr Anmeldename, meist Ihre Mailadresse"},
	"key.user_sid":         {"the number by which the system knows your account", "die Nummer, unter der das System Ihr Konto führt"},
	"key.device_name":      {"the name of this computer", "der Name dieses Rechners"},
	"key.asset_id":         {"the inventory number and tags that IT gave this computer", "Inventarnummer und Merkmale, die die IT diesem Rechner gab"},
	"key.device_serial":    {"the serial number of this computer", "die Seriennummer dieses Rechners"},
	"key.local_addresses":  {"this computer's own network addresses", "die eigenen Netzadressen dieses Rechners"},
	"key.program_name":     {"name, version and maker of a program", "Name, Version und Hersteller eines Programms"},
	"key.program_path":     {"the folder in which a program lies", "der Ordner, in dem ein Programm liegt"},
	"key.program_sha256":   {"the fingerprint (SHA-256) of a program's file", "der Fingerabdruck (SHA-256) einer Programmdatei"},
	"key.program_signer":   {"who signed a program", "wer ein Programm signiert hat"},
	"key.software":         {"software that is installed for the whole computer", "Software, die für den ganzen Rechner installiert ist"},
	"key.processes":        {"that programs ran, and what they used of the computer", "dass Programme liefen und was sie vom Rechner brauchten"},
	"key.connections":      {"that programs made network connections, and how well these went", "dass Programme Netzverbindungen aufbauten und wie gut diese liefen"},
	"key.destinations":     {"the address at the other end of a connection", "die Adresse am anderen Ende einer Verbindung"},
	"key.domains":          {"the name of the site or service at the other end", "der Name der Seite oder des Dienstes am anderen Ende"},
	"key.summary_interval": {"the span of time that one summary covers", "die Zeitspanne, die eine Zusammenfassung umfasst"},
	"key.wifi_quality":     {"how good the Wi-Fi link is", "wie gut die WLAN-Verbindung ist"},
	"key.wifi_ssid":        {"the name of the Wi-Fi network", "der Name des WLANs"},
	"key.wifi_bssid":       {"the address of the Wi-Fi access point", "die Adresse des WLAN-Zugangspunkts"},
	"key.focus_time":       {"which program you had in front of you, and for how long", "welches Programm Sie vor sich hatten, und wie lange"},
	"key.user_activity":    {"for how long you used this computer", "wie lange Sie diesen Rechner benutzten"},
	"key.logons":           {"when you signed in, out, locked or unlocked", "wann Sie sich an- oder abmeldeten, sperrten oder entsperrten"},
}

// levelTexts say how much of it leaves. level.LEVEL holds for every key that has
// no text of its own.
var levelTexts = map[string]message{
	"level.drop":         {"does not leave this computer", "verlässt diesen Rechner nicht"},
	"level.hashed":       {"a pseudonym leaves in its place", "statt dessen geht ein Pseudonym hinaus"},
	"level.cleartext":    {"leaves as it is", "geht unverändert hinaus"},
	"level.generalised":  {"leaves without what would name a person", "geht ohne das hinaus, was eine Person nennen würde"},
	"level.day":          {"leaves with the day as its only time", "geht nur mit dem Tag als Zeitangabe hinaus"},
	"level.hour":         {"leaves with its time rounded to the hour", "geht mit einer auf die Stunde gerundeten Zeit hinaus"},
	"level.quarter_hour": {"leaves with its time rounded to a quarter of an hour", "geht mit einer auf die Viertelstunde gerundeten Zeit hinaus"},
	"level.full":         {"leaves with its exact time", "geht mit genauer Zeit hinaus"},
	"level.scope":        {"only its kind leaves: this computer, private, or public", "nur die Art geht hinaus: eigener Rechner, privat oder öffentlich"},
	"level.prefix":       {"only the network that it belongs to leaves", "nur das Netz, zu dem sie gehört, geht hinaus"},
	"level.summary":      {"only sums over a span of time leave", "nur Summen über eine Zeitspanne gehen hinaus"},
	"level.each":         {"each one leaves, with its time", "jedes einzelne geht mit seiner Zeit hinaus"},

	"level.username.hashed":        {"a pseudonym leaves, never the name", "ein Pseudonym geht hinaus, nie der Name"},
	"level.user_sid.hashed":        {"a pseudonym leaves, never the number", "ein Pseudonym geht hinaus, nie die Nummer"},
	"level.device_name.auto":       {"leaves as it is where it names nobody, else as a pseudonym", "geht unverändert hinaus, wenn er niemanden nennt, sonst als Pseudonym"},
	"level.domains.list":           {"only the company's own names leave", "nur die eigenen Namen des Unternehmens gehen hinaus"},
	"level.domains.generalised":    {"only the registered part leaves, such as example.com", "nur der registrierte Teil geht hinaus, etwa example.com"},
	"level.wifi_ssid.label":        {"it leaves only whether it is a network of the company", "nur ob es ein Netz des Unternehmens ist, geht hinaus"},
	"level.wifi_bssid.generalised": {"only the maker of the access point leaves", "nur der Hersteller des Zugangspunkts geht hinaus"},

	"level.summary_interval.day":          {"one summary a day, which names no user at all", "eine Zusammenfassung am Tag, die gar keinen Benutzer nennt"},
	"level.summary_interval.hour":         {"one summary an hour", "eine Zusammenfassung je Stunde"},
	"level.summary_interval.quarter_hour": {"one summary each quarter of an hour", "eine Zusammenfassung je Viertelstunde"},
	"level.summary_interval.minute":       {"one summary a minute", "eine Zusammenfassung je Minute"},
}
