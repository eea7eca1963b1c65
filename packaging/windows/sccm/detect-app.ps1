# Configuration Manager, deployment type, detection method "custom script" in PowerShell:
# found is what prints something, ends with 0 and writes no error. Leave "Run script as
# 32-bit process on 64-bit clients" unchecked.

# The oldest version that counts as installed.
$Wanted = [version]'0.0.1'

$ErrorActionPreference = 'Stop'
try {
    $found = (Get-ItemProperty -Path 'HKLM:\SOFTWARE\Discreet\Install' -Name 'Version').Version
    $program = Join-Path $env:ProgramFiles 'Discreet\discreet-agent.exe'
    if (([version]$found -ge $Wanted) -and (Test-Path -LiteralPath $program -PathType Leaf)) {
        Write-Output "discreet-agent $found"
    }
} catch {
    # Nothing printed: not found.
    exit 0
}
exit 0
