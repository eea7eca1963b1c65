# Intune, Win32 app, detection rule "custom script": found is what prints something and
# ends with 0. Run it as 64-bit. It looks at the registry and the program, and asks no
# running service: an agent that is stopped is installed all the same.

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
