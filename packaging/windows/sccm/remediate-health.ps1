# Configuration Manager, configuration item, the remediation script beside
# discover-health.ps1. It starts the service, or restarts one that does not answer; a
# baseline has to allow remediation. What a restart cannot mend stays not compliant.

# Not Stop: PowerShell 5.1 would then end at the first line that a program writes to
# its error output, even where that is thrown away.
$ErrorActionPreference = 'Continue'
$program = Join-Path $env:ProgramFiles 'Discreet\discreet-agent.exe'

Set-Service -Name 'discreet-agent' -StartupType Automatic
$service = Get-Service -Name 'discreet-agent'
if ($service.Status -ne 'Running') {
    Start-Service -Name 'discreet-agent'
} else {
    & $program status --json 2>$null | Out-Null
    if ($LASTEXITCODE -ne 0) {
        Restart-Service -Name 'discreet-agent' -Force
    }
}
