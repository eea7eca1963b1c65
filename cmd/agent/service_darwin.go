package main

// serviceName is the label of the LaunchDaemon that the package lays down.
const serviceName = "org.discreet.agent"
