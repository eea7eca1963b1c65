package logon

var utmpLayout = utmpWide
