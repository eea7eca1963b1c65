# Intune, Remediations, remediation script, beside detect-health.ps1. It mends what a
# restart of the service can mend. All else needs a person: "discreet-agent doctor" on
# the device says what is wrong, and its exit code is told here.

# Not Stop: PowerShell 5.1 would then end at the first line that a program writes to
# its error output, even where that is thrown away.
$ErrorActionPreference = 'Continue'
$program = Join-Path $env:ProgramFiles 'Discreet\discreet-agent.exe'

if (-not (Test-Path -LiteralPath $program -PathType Leaf)) {
    Write-Output 'not_installed: assign the app to this device'
    exit 1
}
try {
    Set-Service -Name 'discreet-agent' -StartupType Automatic -ErrorAction Stop
    $service = Get-Service -Name 'discreet-agent' -ErrorAction Stop
    if ($service.Status -ne 'Running') {
        Start-Service -Name 'discreet-agent' -ErrorAction Stop
    } else {
        & $program status --json 2>$null | Out-Null
        if ($LASTEXITCODE -ne 0) {
            Restart-Service -Name 'discreet-agent' -Force -ErrorAction Stop
        }
    }
} catch {
    Write-Output 'the service cannot be started: see the event log, source discreet-agent'
    exit 1
}
# An agent needs a moment until it answers.
for ($i = 0; $i -lt 15; $i++) {
    & $program status --json 2>$null | Out-Null
    if ($LASTEXITCODE -eq 0) { break }
    Start-Sleep -Seconds 2
}
& $program doctor --json 2>$null | Out-Null
$doctor = $LASTEXITCODE
if ($doctor -eq 0) {
    Write-Output 'good'
    exit 0
}
# 3 settings, 5 permission, 6 enrolment or TLS, 7 gateway unreachable.
Write-Output "doctor says $doctor"
exit 1
