#!/bin/sh
# Jamf Pro, computer extension attribute, input type "Script", data type String: what
# "discreet-agent status" says, in one line for smart groups. It goes to Jamf: a word of
# the list below, the version and the policy's digest, and nothing of a person, a program
# or an address.
#   not_installed, not_running, not_enrolled, only_health, settings_refused,
#   not_connected, good
agent="/Library/Application Support/Discreet/bin/discreet-agent"
result() {
	echo "<result>$1</result>"
	exit 0
}
[ -x "$agent" ] || result not_installed
status=$("$agent" status --json 2>/dev/null) || result not_running
# macOS has a reader of JSON in every version: JavaScript for Automation.
result "$(/usr/bin/osascript -l JavaScript -e '
function run(argv) {
	const s = JSON.parse(argv[0])
	let word = "good"
	if (!s.enrolled) word = "not_enrolled"
	else if (s.policy.only_health) word = "only_health"
	else if (s.policy.degraded) word = "settings_refused"
	else if (!s.gateway.connected) word = "not_connected"
	return [word, s.version, s.policy.digest].join(" ")
}' "$status")"
