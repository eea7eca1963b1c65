//go:build !darwin

package main

// serviceName is what the system's service manager knows the agent by.
const serviceName = "discreet-agent"
