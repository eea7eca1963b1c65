package view

// bundleTexts are the words of a support bundle: its manifest, and what the
// command that makes it prints. bundle.member.FILE says what one file holds.
var bundleTexts = map[string]message{
	"bundle.title":   {"What is in this support bundle", "Was in diesem Supportpaket steht"},
	"bundle.intro":   {"Somebody made this bundle on a computer on which the program Discreet runs, to send it to IT or to the maker of the program. Every file in it is text. You may read all of it before you send it, and leave out what you like.", "Jemand hat dieses Paket auf einem Rechner erstellt, auf dem das Programm Discreet läuft, um es der IT oder dem Hersteller des Programms zu schicken. Jede Datei darin ist Text. Sie dürfen alles lesen, bevor Sie es senden, und weglassen, was Sie möchten."},
	"bundle.running": {"The running agent was asked.", "Der laufende Agent wurde gefragt."},
	"bundle.files":   {"No running agent answered: the files of the settings were read.", "Kein laufender Agent antwortete: die Einstellungsdateien wurden gelesen."},
	"bundle.holds":   {"It holds these files", "Es enthält diese Dateien"},
	"bundle.never":   {"It does not hold, because nothing in the program puts it there", "Es enthält nicht, weil nichts im Programm es hineinlegt"},
	"bundle.made":    {"Made", "Erstellt"},
	"bundle.wrote":   {"wrote {file}, readable by you alone; it holds:", "{file} geschrieben, nur für Sie lesbar; darin:"},
	"bundle.read":    {"MANIFEST.txt in it says in plain words what that is. Nothing was sent.", "MANIFEST.txt darin sagt in einfachen Worten, was das ist. Nichts wurde gesendet."},

	"bundle.member.MANIFEST.txt":    {"this text", "dieser Text"},
	"bundle.member.versions.json":   {"versions of the agent, of Go and of the system's kernel, kind of system and processor, number of processors", "Versionen des Agenten, von Go und vom Kern des Systems, Art von System und Prozessor, Zahl der Prozessoren"},
	"bundle.member.status.json":     {"whether the agent reaches its gateway, how many events of each kind wait, were sent, dropped or lost, and how much memory and time the agent uses", "ob der Agent sein Gateway erreicht, wie viele Ereignisse jeder Art warten, gesendet, verworfen oder verloren wurden, und wie viel Speicher und Zeit der Agent braucht"},
	"bundle.member.collectors.json": {"each collector: whether it runs, from which source of the system, how many events it made and lost", "jeder Sammler: ob er läuft, aus welcher Quelle des Systems, wie viele Ereignisse er erzeugte und verlor"},
	"bundle.member.policy.json":     {"the level of each kind of data and which layer of the settings decided it; not who decided, and no list", "die Stufe jeder Art von Daten und welche Ebene der Einstellungen sie bestimmt hat; nicht, wer entschieden hat, und keine Liste"},
	"bundle.member.settings.json":   {"every setting: its value where that is a number, a switch or a fixed word, else only whether it is set; and in which line a fault is", "jede Einstellung: ihr Wert, wo er eine Zahl, ein Schalter oder ein festes Wort ist, sonst nur, ob sie gesetzt ist; und in welcher Zeile ein Fehler ist"},
	"bundle.member.doctor.json":     {"which checks of the agent went well and which did not", "welche Prüfungen des Agenten gelangen und welche nicht"},
	"bundle.member.log.json":        {"the last lines of the agent's own log: fixed sentences, numbers and classes of errors", "die letzten Zeilen des eigenen Protokolls des Agenten: feste Sätze, Zahlen und Klassen von Fehlern"},

	"bundle.never.events":  {"events, neither those that were sent nor those that wait", "Ereignisse, weder gesendete noch wartende"},
	"bundle.never.names":   {"names of people, programs, networks, sites, or of this computer", "Namen von Personen, Programmen, Netzen, Seiten oder dieses Rechners"},
	"bundle.never.numbers": {"addresses, serial or inventory numbers, the device's id", "Adressen, Serien- oder Inventarnummern, die Kennung des Geräts"},
	"bundle.never.keys":    {"keys, tokens, passwords, certificates, pseudonyms", "Schlüssel, Tokens, Passwörter, Zertifikate, Pseudonyme"},
	"bundle.never.paths":   {"paths, lists and texts of the settings, who decided on the policy", "Pfade, Listen und Texte der Einstellungen, wer die Regel bestimmt hat"},
	"bundle.never.reasons": {"messages of the system, since they can hold any of these", "Meldungen des Systems, weil darin alles davon stehen kann"},
}
