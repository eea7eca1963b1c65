# Detects the installed agent: found is what prints something, ends with 0 and writes no
# error. For Intune's Win32 app, detection rule "custom script", as 64-bit; and for a
# deployment type of Configuration Manager, detection method "custom script" in
# PowerShell, with "Run script as 32-bit process on 64-bit clients" unchecked. It looks
# at the registry and the program, and asks no running service: an agent that is
# stopped is installed all the same.

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
