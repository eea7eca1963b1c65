# Configuration Manager, configuration item, setting of type "Script", data type String:
# the discovery script. The rule is: the value returned by the script equals good.
# Anything else names what is wrong, by words of the list below.

# The digest of the policy that should hold, as "discreet-agent status --json" names it.
# Empty: any.
$WantedDigest = ''

# Not Stop: PowerShell 5.1 would then end at the first line that a program writes to
# its error output, even where that is thrown away.
$ErrorActionPreference = 'Continue'
$program = Join-Path $env:ProgramFiles 'Discreet\discreet-agent.exe'

function Get-Health {
    if (-not (Test-Path -LiteralPath $program -PathType Leaf)) { return 'not_installed' }
    $service = Get-Service -Name 'discreet-agent' -ErrorAction SilentlyContinue
    if ($null -eq $service) { return 'no_service' }
    if ($service.Status -ne 'Running') { return 'not_running' }
    $text = & $program status --json 2>$null
    if ($LASTEXITCODE -ne 0) { return 'no_answer' }
    $status = $text | Out-String | ConvertFrom-Json -ErrorAction Stop
    if (-not $status.enrolled) { return 'not_enrolled' }
    if ($status.policy.only_health) { return 'only_health' }
    if ($status.policy.degraded) { return 'settings_refused' }
    if ($WantedDigest -and ($status.policy.digest -ne $WantedDigest)) { return 'other_policy' }
    return 'good'
}

try {
    Write-Output (Get-Health)
} catch {
    Write-Output 'no_answer'
}
