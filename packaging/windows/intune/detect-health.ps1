# Intune, Remediations, detection script: 0 is good, 1 asks for the remediation. Run it as
# the system, as 64-bit. What it prints goes to Intune: words of the list below, and
# nothing of a person, a program or an address.

# Hours without an answer of the gateway after which a device is named.
$LastAnswerHours = 72
# The digest of the policy that should hold, as "discreet-agent status --json" names it.
# Empty: any.
$WantedDigest = ''

# Not Stop: PowerShell 5.1 would then end at the first line that a program writes to
# its error output, even where that is thrown away.
$ErrorActionPreference = 'Continue'
$reasons = @()
$program = Join-Path $env:ProgramFiles 'Discreet\discreet-agent.exe'

function Get-AgentStatus {
    $text = & $program status --json 2>$null
    if ($LASTEXITCODE -ne 0) {
        return $null
    }
    return ($text | Out-String | ConvertFrom-Json -ErrorAction Stop)
}

if (-not (Test-Path -LiteralPath $program -PathType Leaf)) {
    Write-Output 'not_installed'
    exit 1
}
$service = Get-Service -Name 'discreet-agent' -ErrorAction SilentlyContinue
if ($null -eq $service) {
    $reasons += 'no_service'
} else {
    if ($service.Status -ne 'Running') { $reasons += 'not_running' }
    if ($service.StartType -ne 'Automatic') { $reasons += 'not_started_with_windows' }
}
try {
    $status = Get-AgentStatus
    if ($null -eq $status) {
        $reasons += 'no_answer'
    } else {
        if (-not $status.enrolled) { $reasons += 'not_enrolled' }
        if ($status.policy.only_health) { $reasons += 'only_health' }
        elseif ($status.policy.degraded) { $reasons += 'settings_refused' }
        if ($WantedDigest -and ($status.policy.digest -ne $WantedDigest)) { $reasons += 'other_policy' }
        $last = $status.gateway.last_ack
        if ($status.uptime_seconds -gt ($LastAnswerHours * 3600)) {
            if (-not $last) { $reasons += 'never_answered' }
            else {
                if ($last -is [string]) { $last = [datetime]($last -replace '\.\d+', '') }
                if (((Get-Date) - $last.ToLocalTime()).TotalHours -gt $LastAnswerHours) { $reasons += 'no_contact' }
            }
        }
    }
} catch {
    $reasons += 'no_answer'
}
if ($reasons.Count -gt 0) {
    Write-Output ($reasons -join ',')
    exit 1
}
Write-Output 'good'
exit 0
